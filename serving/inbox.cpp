#include "serving/inbox.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/timing/phases.h"

namespace lockstep {

Admission Inbox::Submit(TextRequest request, std::shared_ptr<RequestSink> sink) {
  LOCKSTEP_CHECK(sink != nullptr, "a request without a sink");
  const std::lock_guard lock(mutex_);
  if (const Refusal refusal = RefusalNow(request.client); refusal != Refusal::kNone)
    return {.refusal = refusal};
  if (request.arrived == 0) request.arrived = SteadyNanoseconds();
  const Ticket ticket = next_ticket_++;
  if (request.client != kNobody) ++held_by_[request.client];
  queued_.emplace(ticket, Entry{ticket, std::move(request), std::move(sink)});
  ++statistics_.accepted;
  changed_.notify_one();
  return {.ticket = ticket};
}

Refusal Inbox::Refuse(ClientId client) {
  const std::lock_guard lock(mutex_);
  return RefusalNow(client);
}

// Under the lock.
Refusal Inbox::RefusalNow(ClientId client) {
  Refusal refusal = Refusal::kNone;
  if (state_ != State::kServing)
    refusal = Refusal::kClosed;
  else if (held() >= most_requests_)
    refusal = Refusal::kFull;
  else if (HasItsShare(client))
    refusal = Refusal::kShare;
  if (refusal != Refusal::kNone) ++statistics_.refused;
  return refusal;
}

bool Inbox::HasItsShare(ClientId client) const {
  const auto found = held_by_.find(client);
  return found != held_by_.end() && found->second / kMostPerFree >= most_requests_ - held();
}

void Inbox::Release(ClientId client) {
  const auto found = held_by_.find(client);
  if (found != held_by_.end() && --found->second == 0) held_by_.erase(found);
}

// A request that the loop has not seen costs nothing more: it is not even tokenized.
void Inbox::Cancel(Ticket ticket) {
  std::map<Ticket, Entry>::node_type unseen;  // outlives the lock
  const std::lock_guard lock(mutex_);
  unseen = queued_.extract(ticket);
  if (!unseen.empty()) {
    ++statistics_.cancelled;
    Release(unseen.mapped().request.client);
  } else if (in_flight_.contains(ticket)) {
    cancelled_.insert(ticket);
  } else {
    return;
  }
  changed_.notify_one();
}

void Inbox::Drain() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kServing) state_ = State::kDraining;
  changed_.notify_one();
}

void Inbox::Abort() {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kEnded) state_ = State::kAborting;
  changed_.notify_one();
}

void Inbox::Put(IdleWork work) {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kEnded || state_ == State::kAborting) return;
  works_.push_back(std::move(work));
  changed_.notify_one();
}

bool Inbox::has_work() const {
  const std::lock_guard lock(mutex_);
  return !works_.empty();
}

IdleWork Inbox::TakeWork() {
  const std::lock_guard lock(mutex_);
  LOCKSTEP_CHECK(!works_.empty(), "there is nothing to do");
  IdleWork work = std::move(works_.front());
  works_.pop_front();
  return work;
}

std::vector<IdleWork> Inbox::TakeLateWork(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  std::vector<IdleWork> late;
  const auto first = std::stable_partition(works_.begin(), works_.end(),
                                           [&](const IdleWork& one) { return one.until > now; });
  std::move(first, works_.end(), std::back_inserter(late));
  works_.erase(first, works_.end());
  return late;
}

LoopStatistics Inbox::statistics() const {
  const std::lock_guard lock(mutex_);
  LoopStatistics statistics = statistics_;
  statistics.queued = std::ssize(queued_);
  statistics.in_flight = std::ssize(in_flight_);
  statistics.clients = std::ssize(held_by_);
  return statistics;
}

std::optional<Inbox::Entry> Inbox::Take() {
  const std::lock_guard lock(mutex_);
  if (queued_.empty()) return std::nullopt;
  return TakeFirst();
}

Inbox::Entry Inbox::TakeFirst() {
  auto node = queued_.extract(queued_.begin());
  in_flight_.emplace(node.key(), node.mapped().request.client);
  return std::move(node.mapped());
}

std::set<Ticket> Inbox::TakeCancelled() {
  const std::lock_guard lock(mutex_);
  return std::exchange(cancelled_, {});
}

void Inbox::End(Ticket ticket, std::int64_t LoopStatistics::*counter) {
  const std::lock_guard lock(mutex_);
  const auto node = in_flight_.extract(ticket);
  LOCKSTEP_CHECK(!node.empty(), "request {} is not in flight", ticket);
  Release(node.mapped());
  cancelled_.erase(ticket);
  ++(statistics_.*counter);
}

void Inbox::Publish(const EngineStatus& status) {
  const std::lock_guard lock(mutex_);
  statistics_.engine = status;
}

void Inbox::WaitUntil(std::chrono::steady_clock::time_point limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, limit, [&] {
    return !queued_.empty() || !cancelled_.empty() || !works_.empty() || state_ != State::kServing;
  });
}

Inbox::State Inbox::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

bool Inbox::is_drained() const {
  const std::lock_guard lock(mutex_);
  return state_ == State::kDraining && held() == 0 && works_.empty();
}

std::vector<Inbox::Entry> Inbox::Close() {
  std::deque<IdleWork> dropped;  // outlives the lock
  const std::lock_guard lock(mutex_);
  state_ = State::kEnded;
  dropped.swap(works_);
  std::vector<Entry> unseen;
  while (!queued_.empty()) unseen.push_back(TakeFirst());
  return unseen;
}

std::int64_t Inbox::held() const { return std::ssize(queued_) + std::ssize(in_flight_); }

}  // namespace lockstep
