#include "runtime/progress/moving_rate.h"

namespace lockstep {

void MovingRate::Add(double seconds, double count) {
  // However often it is asked, a hundred or so times of the window are kept.
  if (seen_.size() > 1 && seconds - seen_[seen_.size() - 2].first < window_ / 100) seen_.pop_back();
  seen_.emplace_back(seconds, count);
  while (seen_.size() > 2 && seen_[1].first <= seconds - window_) seen_.pop_front();
}

double MovingRate::per_second() const {
  if (seen_.size() < 2) return 0.0;
  const double seconds = seen_.back().first - seen_.front().first;
  return seconds > 0.0 ? (seen_.back().second - seen_.front().second) / seconds : 0.0;
}

}  // namespace lockstep
