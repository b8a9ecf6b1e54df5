#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/threads/crowd_watch.h"
#include "core/threads/futex.h"
#include "core/threads/spin_budget.h"

namespace lockstep {

// A fixed set of threads that run one parallel loop at a time. The caller is thread 0.
//
// Between the loops of one pass over a model lie microseconds: idle threads poll for a while
// before they sleep, and so does the caller that waits for the last of them. How long, they learn.
// As long as another program takes the core of one of them all sleep at once, so that it gets
// theirs.
class ThreadPool {
 public:
  // threads >= 1; threads - 1 are started.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Both call body(begin, end) for ranges that together are [0, count), on several threads, and
  // return when all are done. The first exception a body throws is rethrown here. Not reentrant;
  // one caller at a time.
  using Body = std::function<void(std::int64_t begin, std::int64_t end)>;

  // Every thread has one contiguous share. Which one is fixed by (count, size()), never by timing.
  void ParallelFor(std::int64_t count, const Body& body);

  // Shares by demand: every thread begins with its share of ParallelFor(), in pieces of at most
  // `most` and whole multiples of it from 0 where they are so long; whoever has none left takes
  // pieces from the ends of the others' shares. A thread that does not get a core in time holds
  // nobody up but for the piece it has begun. count below 2^32.
  void ParallelForPieces(std::int64_t count, std::int64_t most, const Body& body);

 private:
  enum class Kind : std::uint32_t { kPieces = 0, kShares = 1 };  // lowest bit of generation_

  // Pieces [begin, end) that nobody has taken: begin in the upper half, end in the lower.
  struct alignas(64) Untaken {
    std::atomic<std::uint64_t> range{0};
  };

  // What a thread knows of its waits.
  struct Waiter {
    SpinBudget patience;
    ThreadCrowdWatch watch;
    bool crowded = false;  // and counted as such
  };

  void Work(int thread);
  void Look(Waiter& waiter);
  void AwaitChange(const WaitableNumber& number, std::uint32_t seen, Waiter& waiter);
  void Start(Kind kind);
  void AwaitWorkers();
  bool Enter();
  void RunPieces(int thread) noexcept;
  bool TakeOwn(int thread, std::uint64_t& piece);
  bool TakeFrom(int victim, std::uint64_t& piece);
  void RunShare(int thread) noexcept;
  void RunBody(std::int64_t begin, std::int64_t end) noexcept;

  std::vector<std::thread> workers_;
  // Of the loop: written by the caller before workers may enter it, read by those that have.
  std::int64_t count_ = 0;
  std::int64_t piece_ = 0;
  const Body* body_ = nullptr;
  std::vector<Untaken> untaken_;  // by thread
  std::atomic<bool> stopping_{false};
  // Raised by the caller for every loop.
  WaitableNumber generation_;
  // How many workers are in the loop, and kOpen while more may enter.
  static constexpr std::uint32_t kOpen = 1u << 31;
  WaitableNumber inside_;
  Waiter caller_;
  std::atomic<int> crowded_{0};  // threads
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace lockstep
