#include "core/thread_pool.h"

#include "core/error.h"

namespace lockstep {

ThreadPool::ThreadPool(int threads) {
  LOCKSTEP_CHECK(threads >= 1, "a pool of {} threads", threads);
  for (int thread = 1; thread < threads; ++thread)
    workers_.emplace_back([this, thread] { Work(thread); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  start_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::ParallelFor(std::int64_t count, const Body& body) {
  if (count <= 0) return;
  if (workers_.empty() || count == 1) return body(0, count);
  {
    const std::lock_guard lock(mutex_);
    count_ = count;
    body_ = &body;
    failure_ = nullptr;
    running_ = static_cast<int>(workers_.size());
    ++generation_;
  }
  start_.notify_all();
  RunShare(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return running_ == 0; });
  body_ = nullptr;
  if (failure_) std::rethrow_exception(failure_);
}

void ThreadPool::Work(int thread) {
  std::uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
    }
    RunShare(thread);
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) done_.notify_one();
  }
}

void ThreadPool::RunShare(int thread) noexcept {
  const std::int64_t begin = count_ * thread / size();
  const std::int64_t end = count_ * (thread + 1) / size();
  if (begin == end) return;
  try {
    (*body_)(begin, end);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
}

}  // namespace lockstep
