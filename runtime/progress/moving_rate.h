#pragma once

#include <deque>
#include <utility>

namespace lockstep {

// How fast a count grows, over the last while: a job whose lines become longer, or whose neighbours
// on the machine come and go, is as fast as it is now. Not thread-safe.
class MovingRate {
 public:
  explicit MovingRate(double window_seconds = 20.0) : window_(window_seconds) {}

  // The count at this time; times do not go back.
  void Add(double seconds, double count);
  // Per second; 0 as long as that is not known.
  double per_second() const;

 private:
  double window_;
  std::deque<std::pair<double, double>> seen_;  // oldest first: just before the window, and in it
};

}  // namespace lockstep
