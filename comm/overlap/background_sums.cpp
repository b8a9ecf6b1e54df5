#include "comm/overlap/background_sums.h"

#include "core/error.h"

namespace lockstep {

BackgroundSums::~BackgroundSums() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BackgroundSums::Begin(const TensorView& x) {
  if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(x);
  }
  ++begun_;
  changed_.notify_all();
}

void BackgroundSums::Await() {
  LOCKSTEP_CHECK(under_way() > 0, "no sum has begun");
  ++awaited_;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_ >= awaited_ || failure_ != nullptr; });
  if (done_ < awaited_) std::rethrow_exception(failure_);
}

void BackgroundSums::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || (!waiting_.empty() && failure_ == nullptr); });
    if (waiting_.empty() || failure_ != nullptr) return;
    const TensorView x = waiting_.front();
    lock.unlock();
    std::exception_ptr failure;
    try {
      reducer_.AllReduceSum(x, {});
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    waiting_.pop_front();
    failure_ = failure;
    if (failure == nullptr) ++done_;
    changed_.notify_all();
  }
}

}  // namespace lockstep
