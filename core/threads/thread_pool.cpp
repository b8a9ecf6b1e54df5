#include "core/threads/thread_pool.h"

#include <sched.h>

#include "core/error.h"

namespace lockstep {
namespace {

// About 50 microseconds: longer than what lies between two loops of a pass.
constexpr int kSpins = 2000;
// Then the processor goes to others, should there be more threads than cores; then threads sleep.
constexpr int kYields = 200;

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  LOCKSTEP_CHECK(threads >= 1, "a pool of {} threads", threads);
  for (int thread = 1; thread < threads; ++thread)
    workers_.emplace_back([this, thread] { Work(thread); });
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::ParallelFor(std::int64_t count, const Body& body) {
  if (count <= 0) return;
  if (workers_.empty() || count == 1) return body(0, count);
  count_ = count;
  body_ = &body;
  failure_ = nullptr;
  running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  RunShare(0);
  int spins = 0;
  for (int left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire), ++spins) {
    if (spins < kSpins) {
      Relax();
    } else if (spins < kSpins + kYields) {
      ::sched_yield();
    } else {
      running_.wait(left, std::memory_order_acquire);
    }
  }
  body_ = nullptr;
  if (failure_) std::rethrow_exception(failure_);
}

void ThreadPool::Work(int thread) {
  std::uint32_t seen = 0;
  for (;;) {
    for (int spins = 0; generation_.load(std::memory_order_acquire) == seen; ++spins) {
      if (spins < kSpins) {
        Relax();
      } else if (spins < kSpins + kYields) {
        ::sched_yield();
      } else {
        generation_.wait(seen, std::memory_order_acquire);
      }
    }
    ++seen;
    if (stopping_) return;
    RunShare(thread);
    running_.fetch_sub(1, std::memory_order_release);
    running_.notify_one();
  }
}

void ThreadPool::RunShare(int thread) noexcept {
  const std::int64_t begin = count_ * thread / size();
  const std::int64_t end = count_ * (thread + 1) / size();
  if (begin == end) return;
  try {
    (*body_)(begin, end);
  } catch (...) {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
}

}  // namespace lockstep
