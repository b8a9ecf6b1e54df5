#include "batch/queue/remote_work_queue.h"

#include <thread>
#include <utility>

#include "core/error.h"
#include "core/heartbeat.h"
#include "runtime/world/interrupt.h"

namespace lockstep {

std::vector<WorkLine> RemoteWorkQueue::Take() {
  const bool due = heartbeat_.IsDue();
  report_.interrupted = due && InterruptRequested();
  if (due || !report_.results.empty()) Send();
  std::vector<WorkLine> lines;
  while (const auto message = messenger_.Receive()) {
    Assignment assignment = UnpackAssignment(message->text);
    ended_ = ended_ || assignment.end;
    std::move(assignment.lines.begin(), assignment.lines.end(), std::back_inserter(lines));
    timeout_.Heard();
  }
  CheckTimeout();
  return lines;
}

void RemoteWorkQueue::CheckTimeout() {
  if (!timeout_.LastsLongerThan(world_.deadline_seconds())) return;
  throw CollectiveError(
      ExitCode::kRankFailure,
      fmt::format(
          "waiting for lines of the input: rank 0 on {} has not answered for {:g} s{} (rank {} "
          "on {})",
          world_.host(0), world_.deadline_seconds(), WhichWaitsFor(messenger_, world_, 0),
          world_.rank(), world_.host(world_.rank())));
}

// In messages of a bounded size, but for a record that is larger by itself.
void RemoteWorkQueue::Send() {
  constexpr std::size_t kMessageBytes = std::size_t{16} << 20;
  WorkerReport all = std::exchange(report_, {});
  WorkerReport message;
  std::size_t bytes = 0;
  for (LineResult& result : all.results) {
    bytes += result.record.size();
    message.results.push_back(std::move(result));
    if (bytes < kMessageBytes) continue;
    messenger_.Send(0, Pack(std::exchange(message, {})));
    bytes = 0;
  }
  message.interrupted = all.interrupted;
  message.last = all.last;
  messenger_.Send(0, Pack(message));
}

void RemoteWorkQueue::SendHeartbeat() { messenger_.Send(0, Pack(WorkerReport{})); }

void RemoteWorkQueue::Leave() {
  report_.last = true;
  Send();
  timeout_.Heard();
  while (!messenger_.empty()) {
    if (messenger_.Receive()) timeout_.Heard();  // it is busy, and lives
    CheckTimeout();
    Heartbeat();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace lockstep
