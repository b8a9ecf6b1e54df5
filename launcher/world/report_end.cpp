// What the parent of a world says about its end.
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "launcher/world/child_watch.h"

namespace lockstep {
namespace {

std::string SignalName(int signal_number) {
  return fmt::format("signal {} ({})", signal_number, ::strsignal(signal_number));
}

bool AnyRank(const RankBoard& board, RankState state) {
  for (int rank = 0; rank < board.ranks(); ++rank) {
    if (board.slot(rank).state == state) return true;
  }
  return false;
}

// The ranks that are gone without having been told to end and without a word.
std::vector<int> DeadRanks(const RankBoard& board) {
  std::vector<int> dead;
  for (int rank = 0; rank < board.ranks(); ++rank) {
    const RankSlot& slot = board.slot(rank);
    if (slot.state == RankState::kRunning && slot.told_to_end == 0) dead.push_back(rank);
  }
  return dead;
}

std::string HowItEnded(int code) {
  if (code <= 128) return fmt::format("ended unexpectedly with exit code {}", code);
  return "was killed by " + SignalName(code - 128);
}

int ReportDeadRank(const RankBoard& board, int code) {
  const std::string how = HowItEnded(code);
  const std::string hint =
      code == 128 + SIGKILL ? "; if memory was short it was the kernel, see dmesg" : "";
  const std::vector<int> dead = DeadRanks(board);
  for (const int rank : dead) {
    const RankSlot& slot = board.slot(rank);
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

// Ranks that wait in vain for others to join say so themselves; only we know for whom.
void ReportAbsentRanks(const RankBoard& board) {
  for (int rank = 0; rank < board.ranks(); ++rank) {
    if (board.slot(rank).state == RankState::kAbsent) LogError("rank {} did not join", rank);
  }
}

int ReportExit(const RankBoard& board, int code) {
  const bool reported = AnyRank(board, RankState::kReported);
  if (code <= 128 && reported) return code;
  if (!reported && !AnyRank(board, RankState::kRunning) && !AnyRank(board, RankState::kDone)) {
    LogError(
        "mpirun ended with exit code {} before any rank had started; `mpirun -n {} hostname` may "
        "show why",
        code, board.ranks());
    return static_cast<int>(ExitCode::kEnvironment);
  }
  if (code == static_cast<int>(ExitCode::kRankFailure)) {
    ReportAbsentRanks(board);
    return code;
  }
  if (code <= 128 && DeadRanks(board).empty()) return code;
  return ReportDeadRank(board, code);
}

}  // namespace

int ReportEnd(const ChildEnd& end, const RankBoard& board) {
  constexpr int kInterrupted = static_cast<int>(ExitCode::kInterrupted);
  if (end.output_closed) {
    ::signal(SIGPIPE, SIG_DFL);
    ::raise(SIGPIPE);
  }
  if (WIFSIGNALED(end.wait_status)) {
    if (end.interrupted) return kInterrupted;
    LogError("mpirun was killed by {}, and its {} ranks with it",
             SignalName(WTERMSIG(end.wait_status)), board.ranks());
    return static_cast<int>(ExitCode::kRankFailure);
  }
  const int code = WEXITSTATUS(end.wait_status);
  if (code == 0) return LeftCode(board);
  if (code == kInterrupted || (end.interrupted && code > 128)) return kInterrupted;
  return ReportExit(board, code);
}

}  // namespace lockstep
