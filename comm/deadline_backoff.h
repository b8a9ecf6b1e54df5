#pragma once

#include <sched.h>
#include <time.h>

#include <algorithm>

namespace lockstep {

// How a rank waits for its peers: it spins while an answer is likely to be on its way, then
// leaves the processor to others, then sleeps; and how long it has waited.
// Not thread-safe: the thread that waits.
class DeadlineBackoff {
 public:
  enum class Cores { kEnough, kShared };

  DeadlineBackoff() = default;
  DeadlineBackoff(double deadline_seconds, Cores cores)
      : deadline_(deadline_seconds), spin_(cores == Cores::kEnough ? kSpinSeconds : 0) {}

  // A new wait of the same collective: spins again, the deadline goes on.
  void Restart() {
    since_restart_ = 0;
    last_ = Now();
  }

  // Waits a little. Call between polls.
  void Pause() {
    Pause([] {
      const timespec nap{0, kNapNanoseconds};
      ::nanosleep(&nap, nullptr);
    });
  }

  // The same with another way to sleep, for waits that can be ended from outside.
  template <typename Sleep>
  void Pause(const Sleep& sleep) {
    const double now = Now();
    // A gap means that this process was itself stopped: that is not the peers' fault.
    const double step = std::min(now - last_, kLongestStep);
    last_ = now;
    waited_ += step;
    since_restart_ += step;
    if (since_restart_ < spin_) return;
    if (since_restart_ < kYieldSeconds) {
      ::sched_yield();
      return;
    }
    sleep();
  }

  double waited_seconds() const { return waited_; }
  double deadline_seconds() const { return deadline_; }
  bool expired() const { return waited_ >= deadline_; }

 private:
  static constexpr double kSpinSeconds = 100e-6;
  static constexpr double kYieldSeconds = 5e-3;
  static constexpr double kLongestStep = 0.5;
  static constexpr long kNapNanoseconds = 50'000;

  static double Now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }

  double deadline_ = 0;
  double spin_ = 0;
  double last_ = Now();
  double waited_ = 0;
  double since_restart_ = 0;
};

}  // namespace lockstep
