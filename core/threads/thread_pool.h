#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lockstep {

// A fixed set of threads that run one parallel loop at a time. The caller is thread 0.
//
// Between the loops of one pass over a model lie microseconds: idle threads spin for a while
// before they sleep, and the caller spins for the last of them.
class ThreadPool {
 public:
  // threads >= 1; threads - 1 are started.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end) on every thread with its contiguous share of [0, count) and returns
  // when all are done. Which thread gets which share is fixed by (count, size()), never by timing.
  // The first exception a body throws is rethrown here. Not reentrant; one caller at a time.
  using Body = std::function<void(std::int64_t begin, std::int64_t end)>;
  void ParallelFor(std::int64_t count, const Body& body);

 private:
  void Work(int thread);
  void RunShare(int thread) noexcept;

  std::vector<std::thread> workers_;
  // Written by the caller before it raises generation_, read by the workers after they saw it.
  std::int64_t count_ = 0;
  const Body* body_ = nullptr;
  bool stopping_ = false;
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  alignas(64) std::atomic<int> running_{0};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace lockstep
