#include "batch/queue/remote_desk.h"

#include <thread>
#include <utility>

#include "core/error.h"
#include "core/heartbeat.h"
#include "runtime/world/interrupt.h"

namespace lockstep {

std::vector<WorkLine> RemoteDesk::Take() {
  const bool due = sign_.IsDue();
  report_.interrupted = due && InterruptRequested();
  if (due || !report_.results.empty()) Send();
  std::vector<WorkLine> lines;
  while (const auto letter = mailbox_.Receive()) {
    Handout handout = UnpackHandout(letter->text);
    ended_ = ended_ || handout.end;
    std::move(handout.lines.begin(), handout.lines.end(), std::back_inserter(lines));
    silence_.Heard();
  }
  CheckForSilence();
  return lines;
}

void RemoteDesk::CheckForSilence() {
  if (!silence_.LastsLongerThan(world_.deadline_seconds())) return;
  throw CollectiveError(
      ExitCode::kRankFailure,
      fmt::format(
          "waiting for lines of the input: rank 0 on {} has not answered for {:g} s (rank {} "
          "on {})",
          world_.host(0), world_.deadline_seconds(), world_.rank(), world_.host(world_.rank())));
}

// In letters of a bounded size, but for a record that is larger by itself.
void RemoteDesk::Send() {
  constexpr std::size_t kLetterBytes = std::size_t{16} << 20;
  DeskReport all = std::exchange(report_, {});
  DeskReport letter;
  std::size_t bytes = 0;
  for (LineResult& result : all.results) {
    bytes += result.record.size();
    letter.results.push_back(std::move(result));
    if (bytes < kLetterBytes) continue;
    mailbox_.Send(0, Pack(std::exchange(letter, {})));
    bytes = 0;
  }
  letter.interrupted = all.interrupted;
  letter.last = all.last;
  mailbox_.Send(0, Pack(letter));
}

void RemoteDesk::ShowLife() { mailbox_.Send(0, Pack(DeskReport{})); }

void RemoteDesk::Leave() {
  report_.last = true;
  Send();
  silence_.Heard();
  while (!mailbox_.empty()) {
    if (mailbox_.Receive()) silence_.Heard();  // it is busy, and lives
    CheckForSilence();
    Heartbeat();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace lockstep
