#include "launcher/commands/remote_desk.h"

#include <thread>
#include <utility>

#include "core/error.h"
#include "launcher/world/interrupt.h"

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
  if (silence_.Looked() > world_.deadline_seconds())
    throw CollectiveError(
        ExitCode::kRankFailure,
        fmt::format("waiting for lines of the input: rank 0 on {} has not answered for {:g} s "
                    "(rank {} on {})",
                    world_.host(0), world_.deadline_seconds(), world_.rank(),
                    world_.host(world_.rank())));
  return lines;
}

void RemoteDesk::Send() { mailbox_.Send(0, Pack(std::exchange(report_, {}))); }

void RemoteDesk::Leave() {
  report_.last = true;
  Send();
  while (!mailbox_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace lockstep
