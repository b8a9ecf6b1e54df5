#pragma once

#include <algorithm>
#include <chrono>

namespace lockstep {

// How long to wait before what keeps failing is tried again: not at all, then 1, 2, 4 … 30 s.
class Backoff {
 public:
  std::chrono::seconds Next() {
    const std::chrono::seconds wait = next_;
    next_ = std::clamp(2 * next_, std::chrono::seconds(1), std::chrono::seconds(30));
    return wait;
  }
  void Reset() { next_ = std::chrono::seconds(0); }

 private:
  std::chrono::seconds next_{0};
};

}  // namespace lockstep
