#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"
#include "serving/request_queue.h"
#include "serving/request_sink.h"
#include "text/text_request.h"

namespace lockstep {

// Something to be done between requests.
struct IdleWork {
  std::function<void()> work;
  // Where requests are still in flight then, on_late is called instead. It may be empty.
  std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max();
  std::function<void()> on_late = {};
};

// What other threads say to the thread that answers requests, and what it has published for them.
// It holds a bounded number of requests, from Submit() until each has ended: whoever submits more
// is refused at once, instead of waiting in a queue that grows. A client holds at most kMostPerFree
// places for each that is free: alone it has seven eighths of them, two have seven fifteenths each,
// and whoever comes new finds one.
//
// Thread safety: every call may come from any thread. No sink is called, or destroyed, under the
// lock.
class Inbox {
 public:
  static constexpr std::int64_t kMostPerFree = 7;

  enum class State : std::uint8_t { kServing, kDraining, kAborting, kEnded };

  struct Entry {
    Ticket ticket = 0;
    TextRequest request;
    std::shared_ptr<RequestSink> sink;
  };

  explicit Inbox(std::int64_t most_requests) : most_requests_(most_requests) {}

  // For other threads; RequestQueue says what each one means.
  Admission Submit(TextRequest request, std::shared_ptr<RequestSink> sink);
  Refusal Refuse(ClientId client);
  void Cancel(Ticket ticket);
  void Drain();
  void Abort();
  LoopStatistics statistics() const;
  // EngineLoop::WhenIdle() says what for. Dropped where it is closed.
  void Put(IdleWork work);

  // For the thread that answers. The oldest request that it has not seen, which counts as in flight
  // from now on.
  std::optional<Entry> Take();
  // Whether there is something to be done between requests; and the oldest of it.
  bool has_work() const;
  IdleWork TakeWork();
  // All whose time has passed.
  std::vector<IdleWork> TakeLateWork(std::chrono::steady_clock::time_point now);
  // Those in flight that were cancelled since the last call. Each has still to be ended.
  std::set<Ticket> TakeCancelled();
  // A request in flight has ended; `counter` is the statistic that counts it.
  void End(Ticket ticket, std::int64_t LoopStatistics::*counter);
  void Publish(const EngineStatus& status);
  // Until there is something new to do, but no longer than that.
  void WaitUntil(std::chrono::steady_clock::time_point limit);

  State state() const;
  // It drains, and nothing is left that it has accepted.
  bool is_drained() const;
  // Accepts nothing from now on. Requests that were not taken come out, as in flight.
  std::vector<Entry> Close();

 private:
  std::int64_t held() const;
  bool HasItsShare(ClientId client) const;
  Refusal RefusalNow(ClientId client);
  void Release(ClientId client);
  Entry TakeFirst();

  const std::int64_t most_requests_;
  mutable std::mutex mutex_;  // of everything below
  std::condition_variable changed_;
  std::map<Ticket, Entry> queued_;
  std::map<Ticket, ClientId> in_flight_;
  std::unordered_map<ClientId, std::int64_t> held_by_;  // without kNobody's
  std::deque<IdleWork> works_;
  std::set<Ticket> cancelled_;  // of those in flight
  State state_ = State::kServing;
  Ticket next_ticket_ = 0;
  LoopStatistics statistics_;
};

}  // namespace lockstep
