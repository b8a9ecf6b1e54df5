#include "runtime/spawn/mpirun_words.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/logging/log_format.h"

namespace lockstep {
namespace {

constexpr std::size_t kFrameLength = 60;  // 74 dashes in Open MPI

bool MayBeFrame(std::string_view line) { return line.find_first_not_of("- \r\n") == line.npos; }

bool IsFrame(std::string_view line) {
  return MayBeFrame(line) && std::ranges::count(line, '-') >= static_cast<int>(kFrameLength);
}

// "[warn] Epoll MOD(1) on fd 21 failed. …: Bad file descriptor": libevent's, in mpirun, about
// connections of ranks that end.
bool IsOfEventLoop(std::string_view line) {
  constexpr std::string_view kLevels[] = {"[warn] ", "[err] ", "[msg] ", "[debug] "};
  return std::ranges::any_of(kLevels, [&](std::string_view one) { return line.starts_with(one); });
}

// Remarks of mpirun's about its explanations, about signals and about itself.
bool IsRemark(std::string_view line) {
  constexpr std::string_view kMarks[] = {
      "sent help message", "help_aggregate", "FORCE-TERMINATE",           "ERROR_LOG",
      "PMIX ERROR",        "PRTE ERROR",     "plm:rsh: Warning: setpgid("};
  if (line.starts_with("mpirun") || line.starts_with("prterun")) return true;
  if (IsOfEventLoop(line)) return true;
  return line.starts_with("[") && std::ranges::any_of(kMarks, [&](std::string_view mark) {
           return line.find(mark) != line.npos;
         });
}

bool TellsThatRanksEnded(std::string_view block) {
  constexpr std::string_view kMarks[] = {"noticed that process rank",
                                         "normally, but 1 process returned",
                                         "MPI_ABORT was invoked",
                                         "one or more processes exited with non-zero status",
                                         "exited on signal",
                                         "process has exited",
                                         "peer process has unexpectedly disconnected",
                                         "returned\na non-zero exit code"};
  return std::ranges::any_of(kMarks,
                             [&](std::string_view mark) { return block.find(mark) != block.npos; });
}

std::string HostIn(std::string_view block) {
  constexpr std::string_view kMark = " on node ";
  const auto at = block.find(kMark);
  if (at == block.npos) return "";
  const std::string_view rest = block.substr(at + kMark.size());
  return std::string(rest.substr(0, rest.find_first_of(" \n")));
}

// "mpirun noticed that process rank 1 with PID 7 on node host exited on signal 9 (Killed)."
int RankIn(std::string_view block) {
  constexpr std::string_view kMark = "noticed that process rank ";
  const auto at = block.find(kMark);
  int rank = -1;
  if (at != block.npos)
    std::from_chars(block.data() + at + kMark.size(), block.data() + block.size(), rank);
  return rank;
}

}  // namespace

std::string MpirunWords::Pass(std::string_view piece) {
  std::string out;
  while (!piece.empty()) {
    const auto end = piece.find('\n');
    const bool whole = end != piece.npos;
    line_ += piece.substr(0, whole ? end + 1 : piece.size());
    piece.remove_prefix(whole ? end + 1 : piece.size());
    if (whole) {
      out += PassLine(line_);
    } else if (in_line_ || (!in_block_ && !MayBeFrame(line_) && line_[0] != '[')) {
      // A line that is written over, such as one that counts: nobody waits for its end.
      out += line_;
      in_line_ = true;
    } else {
      break;
    }
    if (whole) in_line_ = false;
    line_.clear();
  }
  return out;
}

std::string MpirunWords::PassLine(std::string_view line) {
  if (in_line_) return std::string(line);
  if (IsFrame(line)) {
    if (in_block_) Keep(std::exchange(block_, {}));
    in_block_ = !in_block_;
    return "";
  }
  if (IsLogLine(line)) return std::string(line);
  if (in_block_) {
    block_ += line;
    return "";
  }
  if (!IsRemark(line) && !IsOwn(line)) return std::string(line);
  remarks_ += line;
  return "";
}

bool MpirunWords::IsOwn(std::string_view line) const {
  return process_ != 0 && line.starts_with("[") &&
         line.substr(0, line.find(']') + 1).ends_with(fmt::format(":{}]", process_));
}

void MpirunWords::Keep(std::string_view text) {
  if (!TellsThatRanksEnded(text)) {
    explanation_ += text;
    return;
  }
  ranks_ended_ = true;
  if (ended_rank_ >= 0) return;
  ended_rank_ = RankIn(text);
  if (ended_rank_ >= 0) ended_host_ = HostIn(text);
}

std::string MpirunWords::Finish() {
  std::string rest = line_.empty() ? "" : PassLine(std::exchange(line_, {}));
  Keep(std::exchange(block_, {}));
  return rest;
}

}  // namespace lockstep
