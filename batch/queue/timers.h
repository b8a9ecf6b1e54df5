#pragma once

#include <algorithm>
#include <chrono>

#include "core/heartbeat.h"

namespace lockstep {

// How long nothing has been heard of someone. Time in which this process itself did not look (it
// was stopped, or in the middle of a long step) counts little: the message may lie there already.
class PeerTimeout {
 public:
  void Heard() {
    seconds_ = 0.0;
    last_ = std::chrono::steady_clock::now();
  }

  // Called on every look that found nothing: whether that has gone on for too long.
  bool LastsLongerThan(double deadline_seconds) {
    const double longest_gap = std::min(1.0, deadline_seconds / 4);
    const auto now = std::chrono::steady_clock::now();
    seconds_ += std::min(std::chrono::duration<double>(now - last_).count(), longest_gap);
    last_ = now;
    return seconds_ > deadline_seconds;
  }

 private:
  double seconds_ = 0.0;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Whether something that is to be done every so often is due.
class PeriodicTimer {
 public:
  // A heartbeat for those who wait for it so long.
  explicit PeriodicTimer(double deadline_seconds)
      : period_(std::chrono::duration_cast<std::chrono::milliseconds>(
            HeartbeatPeriod(deadline_seconds))) {}

  bool IsDue() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return false;
    next_ = now + period_;
    return true;
  }

 private:
  std::chrono::milliseconds period_;
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + period_;
};

}  // namespace lockstep
