#include "core/threads/thread_pool.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/timing/phases.h"

namespace lockstep {
namespace {

// Nanoseconds for which polling is worth a core: longer than what lies between two loops of a pass.
constexpr std::int64_t kPoolSpin = 200'000;
// Polls between two looks at the clock, and before the first one.
constexpr int kPoolPolls = 32;
// So many pieces a thread, if the loop is long enough: what is left at the end is small.
constexpr std::int64_t kPiecesPerThread = 4;

}  // namespace

ThreadPool::ThreadPool(int threads)
    : untaken_(static_cast<std::size_t>(std::max(threads, 1))), caller_{SpinBudget(kPoolSpin), {}} {
  LOCKSTEP_CHECK(threads >= 1, "a pool of {} threads", threads);
  for (int thread = 1; thread < threads; ++thread)
    workers_.emplace_back([this, thread] { Work(thread); });
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  Start(Kind::kPieces);
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Start(Kind kind) {
  const std::uint32_t next = (generation_.value() & ~1u) + 2;
  generation_.Set(next | static_cast<std::uint32_t>(kind));
}

void ThreadPool::ParallelFor(std::int64_t count, const Body& body) {
  if (count <= 0) return;
  if (workers_.empty() || count == 1) return body(0, count);
  count_ = count;
  body_ = &body;
  // All are inside from the start: none can be missed, nor miss the loop.
  inside_.Set(static_cast<std::uint32_t>(workers_.size()));
  Start(Kind::kShares);
  RunShare(0);
  AwaitWorkers();
}

void ThreadPool::ParallelForPieces(std::int64_t count, std::int64_t most, const Body& body) {
  LOCKSTEP_CHECK(most >= 1 && count <= std::numeric_limits<std::uint32_t>::max(),
                 "a loop of {} in pieces of {}", count, most);
  if (count <= 0) return;
  if (workers_.empty() || count == 1) return body(0, count);
  count_ = count;
  body_ = &body;
  piece_ = std::clamp<std::int64_t>(count / (kPiecesPerThread * size()), 1, most);
  const std::int64_t pieces = (count + piece_ - 1) / piece_;
  for (int thread = 0; thread < size(); ++thread) {
    const auto begin = static_cast<std::uint64_t>(pieces * thread / size());
    const auto end = static_cast<std::uint64_t>(pieces * (thread + 1) / size());
    untaken_[static_cast<std::size_t>(thread)].range.store(begin << 32 | end,
                                                           std::memory_order_relaxed);
  }
  Look(caller_);
  inside_.Set(kOpen);
  Start(Kind::kPieces);
  RunPieces(0);
  // Nothing is left to take: who has not come by now is not waited for.
  inside_.Subtract(kOpen);
  AwaitWorkers();
}

void ThreadPool::AwaitWorkers() {
  for (std::uint32_t inside = inside_.value(); inside != 0; inside = inside_.value())
    AwaitChange(inside_, inside, caller_);
  body_ = nullptr;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::Work(int thread) {
  Waiter waiter{SpinBudget(kPoolSpin), {}};
  std::uint32_t seen = 0;
  for (;;) {
    Look(waiter);
    AwaitChange(generation_, seen, waiter);
    seen = generation_.value();
    if (stopping_) return;
    if ((seen & 1u) == static_cast<std::uint32_t>(Kind::kShares)) {
      RunShare(thread);
    } else if (Enter()) {
      RunPieces(thread);
    } else {
      continue;
    }
    inside_.Subtract(1);
  }
}

void ThreadPool::Look(Waiter& waiter) {
  const bool crowded = waiter.watch.Look();
  if (crowded == waiter.crowded) return;
  waiter.crowded = crowded;
  crowded_ += crowded ? 1 : -1;
}

// Returns when the number has left `seen`.
void ThreadPool::AwaitChange(const WaitableNumber& number, std::uint32_t seen, Waiter& waiter) {
  const bool spins = crowded_.load(std::memory_order_relaxed) == 0;
  const auto poll = [&] {
    for (int i = 0; i < (spins ? kPoolPolls : 1); ++i) {
      if (number.value() != seen) return true;
      RelaxCore();
    }
    return false;
  };
  if (poll()) return;
  const std::int64_t begin = SteadyNanoseconds();
  while (!poll()) {
    if (!spins || SteadyNanoseconds() - begin >= waiter.patience.nanoseconds())
      number.SleepWhile(seen);
  }
  waiter.patience.Learn(SteadyNanoseconds() - begin);
}

// It may be the loop after the one whose start was seen: then its own start will be seen, too.
bool ThreadPool::Enter() {
  for (std::uint32_t inside = inside_.value(); (inside & kOpen) != 0; inside = inside_.value())
    if (inside_.Exchange(inside, inside + 1)) return true;
  return false;
}

void ThreadPool::RunPieces(int thread) noexcept {
  const auto run = [this](std::uint64_t piece) {
    const auto begin = static_cast<std::int64_t>(piece) * piece_;
    RunBody(begin, std::min(begin + piece_, count_));
  };
  std::uint64_t piece = 0;
  while (TakeOwn(thread, piece)) run(piece);
  for (int step = 1; step < size(); ++step)
    while (TakeFrom((thread + step) % size(), piece)) run(piece);
}

bool ThreadPool::TakeOwn(int thread, std::uint64_t& piece) {
  auto& range = untaken_[static_cast<std::size_t>(thread)].range;
  std::uint64_t seen = range.load(std::memory_order_relaxed);
  do {
    piece = seen >> 32;
    if (piece >= (seen & 0xffffffffu)) return false;
  } while (!range.compare_exchange_weak(seen, seen + (std::uint64_t{1} << 32),
                                        std::memory_order_relaxed));
  return true;
}

bool ThreadPool::TakeFrom(int victim, std::uint64_t& piece) {
  auto& range = untaken_[static_cast<std::size_t>(victim)].range;
  std::uint64_t seen = range.load(std::memory_order_relaxed);
  do {
    if (seen >> 32 >= (seen & 0xffffffffu)) return false;
    piece = (seen & 0xffffffffu) - 1;
  } while (!range.compare_exchange_weak(seen, seen - 1, std::memory_order_relaxed));
  return true;
}

void ThreadPool::RunShare(int thread) noexcept {
  const std::int64_t begin = count_ * thread / size();
  const std::int64_t end = count_ * (thread + 1) / size();
  if (begin != end) RunBody(begin, end);
}

void ThreadPool::RunBody(std::int64_t begin, std::int64_t end) noexcept {
  try {
    (*body_)(begin, end);
  } catch (...) {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
}

}  // namespace lockstep
