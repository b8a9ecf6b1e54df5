// What the parent of a world says about its end.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "runtime/spawn/child_watch.h"
#include "runtime/spawn/spawn.h"

namespace lockstep {
namespace {

int g_signal_of_dead_rank = 0;

std::string SignalName(int signal_number) {
  return fmt::format("signal {} ({})", signal_number, ::strsignal(signal_number));
}

bool AnyRank(const RankBoard& board, RankState state) {
  for (int rank = 0; rank < board.ranks(); ++rank) {
    if (board.slot(rank).state == state) return true;
  }
  return false;
}

// The ranks that are gone without having been told to end and without a word. Where mpirun knows
// which one began it, that one alone: on a busy machine it kills the others before they have heard
// that they are to end.
std::vector<int> DeadRanks(const ChildEnd& end, const RankBoard& board) {
  std::vector<int> dead;
  for (int rank = 0; rank < board.ranks(); ++rank) {
    const RankSlot& slot = board.slot(rank);
    if (slot.state == RankState::kRunning && slot.told_to_end == 0) dead.push_back(rank);
  }
  const bool is_elsewhere = end.ended_rank >= 0 && end.ended_rank < board.ranks() &&
                            board.slot(end.ended_rank).state == RankState::kAbsent;
  const bool knows = is_elsewhere || std::ranges::find(dead, end.ended_rank) != dead.end();
  return knows ? std::vector{end.ended_rank} : dead;
}

std::string HowItEnded(int code) {
  if (code <= 128) return fmt::format("ended unexpectedly with exit code {}", code);
  return "was killed by " + SignalName(code - 128);
}

int ReportDeadRank(const ChildEnd& end, const RankBoard& board, int code) {
  if (code > 128) g_signal_of_dead_rank = code - 128;
  const std::string how = HowItEnded(code);
  const std::string hint =
      code == 128 + SIGKILL ? "; if memory was short it was the kernel, see dmesg" : "";
  const std::vector<int> dead = DeadRanks(end, board);
  for (const int rank : dead) {
    const RankSlot& slot = board.slot(rank);
    // On a host that does not see the board it may have left no word.
    const bool is_silent = slot.state == RankState::kAbsent && slot.host[0] == '\0';
    if (is_silent)
      LogError("rank {} on {} {}{}", rank, end.ended_host, how, hint);
    else
      LogError("rank {} on {} {} while {}{}", rank, slot.host, how, slot.activity, hint);
  }
  if (dead.empty()) LogError("one of {} ranks {}{}", board.ranks(), how, hint);
  return static_cast<int>(ExitCode::kRankFailure);
}

// What the ranks that ended in good order left to us: the lowest rank's code that is not 0.
int LeftCode(const RankBoard& board) {
  for (int rank = 0; rank < board.ranks(); ++rank) {
    const RankSlot& slot = board.slot(rank);
    if (slot.state == RankState::kDone && slot.exit_code != 0) return slot.exit_code;
  }
  return 0;
}

void ShowWords(std::string_view text) {
  if (text.empty()) return;
  while (text.ends_with('\n')) text.remove_suffix(1);
  LogError("mpirun says:\n{}", text);
}

// Nothing has come of it: mpirun has ended, or we have ended it.
int ReportNoStart(const ChildEnd& end, const RankBoard& board, std::string_view how) {
  LogError("{}; `mpirun -n {} hostname` and `ulimit -a` may show why", how, board.ranks());
  ShowWords(end.explanation + end.remarks);
  return static_cast<int>(ExitCode::kEnvironment);
}

// One rank, or mpirun, was asked to stop by somebody who left this process alone.
std::string WhoWasAsked(const RankBoard& board) {
  bool told = false;
  for (int rank = 0; rank < board.ranks(); ++rank) {
    const RankSlot& slot = board.slot(rank);
    told = told || slot.told_to_end != 0;
    if (slot.signal == 0) continue;
    return fmt::format("rank {} on {} got {}", rank, slot.host, SignalName(slot.signal));
  }
  return told ? "mpirun was told to end" : "";
}

int ReportAsked(const std::string& who) {
  LogError(
      "{}, so that all ranks have stopped; the same command begins again, and a batch job goes "
      "on where it was",
      who);
  return static_cast<int>(ExitCode::kInterrupted);
}

int ReportExit(const ChildEnd& end, const RankBoard& board, int code) {
  const bool reported = AnyRank(board, RankState::kReported);
  if (code <= 128 && reported) return code;
  const bool started = reported || end.ranks_ended || AnyRank(board, RankState::kRunning) ||
                       AnyRank(board, RankState::kDone);
  if (!started) {
    return ReportNoStart(
        end, board,
        fmt::format("mpirun ended with exit code {} before any rank had started", code));
  }
  if (code == static_cast<int>(ExitCode::kRankFailure)) return code;
  const std::vector<int> dead = DeadRanks(end, board);
  // Ranks that end with an mpirun that was told to may not have heard of it.
  if (code <= 128 && (dead.empty() || !end.ranks_ended)) {
    const std::string who = WhoWasAsked(board);
    if (!who.empty()) return ReportAsked(who);
    if (dead.empty()) return code;
  }
  const int answer = ReportDeadRank(end, board, code);
  ShowWords(end.explanation);
  return answer;
}

// The code of a rank that has failed and said why, which ends the world; 0: there is none.
int ReportedCode(const RankBoard& board) {
  for (int rank = 0; rank < board.ranks(); ++rank) {
    const RankSlot& slot = board.slot(rank);
    if (slot.state == RankState::kReported) return slot.exit_code;
  }
  return 0;
}

// Ranks that were all there to the end have left their codes.
int ReportStuck(const RankBoard& board) {
  if (const int code = ReportedCode(board); code != 0) return code;
  if (!AnyRank(board, RankState::kRunning)) return LeftCode(board);
  LogError("all ranks have ended, but mpirun had not, and has been ended");
  return static_cast<int>(ExitCode::kRankFailure);
}

// An mpirun that crashes while it ends a world changes nothing about why it ends.
int ReportSignalled(const ChildEnd& end, const RankBoard& board) {
  if (const int code = ReportedCode(board); code != 0) return code;
  const int signal_number = WTERMSIG(end.wait_status);
  g_signal_of_dead_rank = signal_number;
  LogError("mpirun was killed by {}, and its {} ranks with it", SignalName(signal_number),
           board.ranks());
  const bool asked = signal_number == SIGTERM || signal_number == SIGINT || signal_number == SIGHUP;
  return static_cast<int>(asked ? ExitCode::kInterrupted : ExitCode::kRankFailure);
}

}  // namespace

int SignalOfDeadRank() { return g_signal_of_dead_rank; }

int ReportEnd(const ChildEnd& end, const RankBoard& board) {
  constexpr int kInterrupted = static_cast<int>(ExitCode::kInterrupted);
  if (end.output_error == EPIPE) {
    ::signal(SIGPIPE, SIG_DFL);
    ::raise(SIGPIPE);
  }
  if (end.output_error != 0) {
    LogError("standard output: cannot be written: {}", ::strerror(end.output_error));
    return static_cast<int>(ExitCode::kEnvironment);
  }
  const bool in_order = WIFEXITED(end.wait_status) && WEXITSTATUS(end.wait_status) == 0;
  if (end.interrupted && !in_order) return kInterrupted;
  if (end.seconds_without_rank > 0) {
    return ReportNoStart(
        end, board,
        fmt::format("mpirun has started no rank within {:g} s (comm.init_deadline_seconds)",
                    end.seconds_without_rank));
  }
  if (end.stuck) return ReportStuck(board);
  if (WIFSIGNALED(end.wait_status)) return ReportSignalled(end, board);
  const int code = in_order ? LeftCode(board) : WEXITSTATUS(end.wait_status);
  if (code == kInterrupted && !end.interrupted) {
    const std::string who = WhoWasAsked(board);
    return who.empty() ? code : ReportAsked(who);
  }
  return in_order ? code : ReportExit(end, board, code);
}

}  // namespace lockstep
