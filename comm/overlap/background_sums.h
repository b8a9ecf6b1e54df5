#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "comm/overlap/sums_beside.h"
#include "comm/reducer.h"

namespace lockstep {

// Sums that a thread of its own makes, one after the other, while the calling thread computes: for
// networks that are slow. From the first Begin() to the last Await() that thread makes the
// collective calls of this process, and nobody else may.
// Not thread-safe: the thread that owns the reducer.
class BackgroundSums final : public SumsBeside {
 public:
  // The reducer adds in host memory. It stays the caller's and outlives this.
  explicit BackgroundSums(Reducer& reducer) : reducer_(reducer) {}
  // Waits for sums that have begun.
  ~BackgroundSums() override;
  BackgroundSums(const BackgroundSums&) = delete;
  BackgroundSums& operator=(const BackgroundSums&) = delete;

  void Begin(const TensorView& x) override;
  // Returns when the sum is done.
  void Await() override;
  // Of sums that have begun, those not awaited yet.
  std::size_t under_way() const { return begun_ - awaited_; }

 private:
  void Work();

  Reducer& reducer_;
  std::thread thread_;  // from the first sum on
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<TensorView> waiting_;
  std::size_t done_ = 0;
  std::exception_ptr failure_;
  bool ends_ = false;
  std::size_t begun_ = 0;    // of the calling thread
  std::size_t awaited_ = 0;  // the same
};

}  // namespace lockstep
