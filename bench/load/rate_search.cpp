#include "bench/load/rate_search.h"

#include <cmath>

namespace lockstep {
namespace {

// More than any server answers.
constexpr double kMostRate = 1e6;

}  // namespace

std::optional<double> RateSearch::Next() const {
  if (was_too_short_ && met_) return std::nullopt;
  if (met_ && missed_ && *missed_ <= *met_ * (1.0 + tolerance_)) return std::nullopt;
  if (rate_ < least_rate_ || rate_ > kMostRate) return std::nullopt;
  return rate_;
}

void RateSearch::Report(Trial trial) {
  was_too_short_ = trial == Trial::kTooShort;
  if (was_too_short_) {
    rate_ *= 0.5;  // at which as many requests take longer, and may tell
    return;
  }
  (trial == Trial::kMissed ? missed_ : met_) = rate_;
  if (met_ && missed_)
    rate_ = std::sqrt(*met_ * *missed_);
  else
    rate_ *= met_ ? 2.0 : 0.5;
}

}  // namespace lockstep
