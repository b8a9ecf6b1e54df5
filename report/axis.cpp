#include "report/axis.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "report/svg.h"

namespace lockstep {
namespace {

constexpr double kMargin = 0.04;  // of the axis, beyond the outermost values
constexpr int kTicks = 6;

// Whole powers of ten are too close to each other beyond so many.
constexpr double kMostDecades = 8.0;

}  // namespace

std::vector<double> LinearTicks(double least, double most, int count) {
  const double rough = (most - least) / std::max(count, 1);
  if (!(rough > 0.0)) return {least};
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10.0 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough * 0.999) {
      step = factor * power;
      break;
    }
  std::vector<double> ticks;
  const auto first = static_cast<std::int64_t>(std::ceil(least / step - 1e-9));
  const auto last = static_cast<std::int64_t>(std::floor(most / step + 1e-9));
  for (std::int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::vector<double> LogTicks(double least, double most) {
  const double decades = std::log10(most / least);
  std::vector<double> ticks;
  const int every = std::max(static_cast<int>(std::ceil(decades / kMostDecades)), 1);
  const bool between = decades < 2.5;
  const auto last = static_cast<int>(std::ceil(std::log10(most)));
  for (int power = static_cast<int>(std::floor(std::log10(least))); power <= last; power += every)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10.0, power);
      const bool inside = tick >= least * (1.0 - 1e-9) && tick <= most * (1.0 + 1e-9);
      if (inside && (factor == 1.0 || between)) ticks.push_back(tick);
    }
  return ticks;
}

AxisMap::AxisMap(const Axis& axis, const std::vector<double>& values, double from, double to)
    : scale_(axis.scale), from_(from), to_(to) {
  std::vector<double> scaled;
  const auto take = [&](double value) {
    if (!std::isfinite(value)) return;
    if (IsLog() && value == 0.0) has_zero_ = true;
    if (!IsLog() || value > 0.0) scaled.push_back(Scaled(value));
  };
  std::ranges::for_each(values, take);
  std::ranges::for_each(axis.ticks, take);
  if (!scaled.empty()) {
    least_ = std::ranges::min(scaled);
    most_ = std::ranges::max(scaled);
  }
  const bool from_zero = !IsLog() && axis.start == AxisStart::kZero && least_ >= 0.0;
  if (from_zero) least_ = 0.0;
  if (most_ - least_ < 1e-12 * std::max(1.0, std::abs(most_))) {
    const double around = IsLog() ? 0.3 : std::max(0.5 * std::abs(most_), 0.5);
    if (!from_zero) least_ -= around;
    most_ += around;
  }
  const double inner_least = least_;
  const double inner_most = most_;
  const double margin = kMargin * (most_ - least_);
  if (!from_zero) least_ -= margin;
  most_ += margin;
  if (has_zero_) {
    zero_ = inner_least - 3.0 * margin;
    least_ = zero_ - margin;
  }
  std::vector<double> ticks = axis.ticks;
  if (ticks.empty())
    ticks = IsLog() ? LogTicks(std::pow(10.0, inner_least), std::pow(10.0, inner_most))
                    : LinearTicks(least_, most_, kTicks);
  // Between two powers of ten there may be no round number.
  if (ticks.size() < 2 && axis.ticks.empty() && IsLog())
    ticks = {std::pow(10.0, inner_least), std::pow(10.0, inner_most)};
  for (const double tick : ticks)
    if (const auto at = At(tick)) ticks_.push_back({*at, ShortNumber(tick)});
  if (has_zero_ && std::ranges::find(ticks, 0.0) == ticks.end()) ticks_.push_back({*At(0.0), "0"});
}

double AxisMap::Scaled(double value) const {
  if (!IsLog()) return value;
  return value == 0.0 ? zero_ : std::log10(value);
}

std::optional<double> AxisMap::At(double value) const {
  if (!std::isfinite(value) || (IsLog() && (value < 0.0 || (value == 0.0 && !has_zero_))))
    return std::nullopt;
  return from_ + (to_ - from_) * (Scaled(value) - least_) / (most_ - least_);
}

}  // namespace lockstep
