#pragma once

#include <algorithm>
#include <chrono>

namespace lockstep {

// How long nothing has been heard of someone. Time in which this process itself did not look (it
// was stopped, or in the middle of a long step) counts little: the letter may lie there already.
class Silence {
 public:
  void Heard() { seconds_ = 0.0; }

  // Called on every look that found nothing.
  double Looked() {
    constexpr double kLongestGap = 1.0;
    const auto now = std::chrono::steady_clock::now();
    seconds_ += std::min(std::chrono::duration<double>(now - last_).count(), kLongestGap);
    last_ = now;
    return seconds_;
  }

 private:
  double seconds_ = 0.0;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Whether something that is to be done every so often is due.
class Every {
 public:
  explicit Every(std::chrono::milliseconds period) : period_(period) {}

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
