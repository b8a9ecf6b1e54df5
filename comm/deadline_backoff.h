#pragma once

#include <sched.h>
#include <time.h>

#include <algorithm>

namespace lockstep {

// How a rank waits for its peers: it spins while an answer is likely to be on its way, then
// sleeps; and how long it has waited. Where nothing can wake it, it first leaves the processor to
// others for a while, unless another program takes it: that keeps it for a whole time slice.
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
    yields_ = true;
    last_ = Now();
  }

  // How long it spins after a Restart(), where there are cores enough.
  void set_spin_seconds(double seconds) { spin_ = seconds; }

  // How long it sleeps at a time where nothing can wake it: always as little, because bytes may
  // only travel while it looks after them; or the more the longer it has waited, so that many ranks
  // on few cores leave them to those that they wait for.
  enum class Naps { kShort, kGrow };
  void set_naps(Naps naps) { naps_ = naps; }
  // Of naps that grow: a 128th of the wait.
  static long NapNanoseconds(double waited_seconds) {
    return std::clamp(static_cast<long>(waited_seconds * 1e9 / 128), kShortestNap, kLongestNap);
  }

  // Waits a little. Call between polls.
  void Pause() {
    Pause([this] {
      if (yields_ && since_restart_ < kYieldSeconds) return Yield();
      const timespec nap{0, naps_ == Naps::kGrow ? NapNanoseconds(since_restart_) : kShortestNap};
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
    if (since_restart_ >= spin_) sleep();
  }

  double waited_seconds() const { return waited_; }
  double since_restart_seconds() const { return since_restart_; }
  double deadline_seconds() const { return deadline_; }
  bool expired() const { return waited_ >= deadline_; }

 private:
  static constexpr double kSpinSeconds = 100e-6;
  static constexpr double kYieldSeconds = 5e-3;
  // As long as a peer on the same core may need to get there. Another program takes more.
  static constexpr double kLongYieldSeconds = 1e-3;
  static constexpr double kLongestStep = 0.5;
  static constexpr long kShortestNap = 50'000;
  static constexpr long kLongestNap = 2'000'000;

  static double Now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }

  void Yield() {
    ::sched_yield();
    yields_ = Now() - last_ < kLongYieldSeconds;
  }

  double deadline_ = 0;
  double spin_ = 0;
  double last_ = Now();
  double waited_ = 0;
  double since_restart_ = 0;
  bool yields_ = true;
  Naps naps_ = Naps::kShort;
};

}  // namespace lockstep
