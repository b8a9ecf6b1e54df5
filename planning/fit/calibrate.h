#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planning/fit/measurements.h"

namespace lockstep {

// A number of a machine's description that was fitted, in the unit of a machine's file.
struct FittedParameter {
  std::string name;  // as in its file: "efficiency.cache"
  double before = 0.0;
  double fitted = 0.0;
};

// What was measured beside what is predicted.
struct FittedPoint {
  SpeedPoint point;
  double fitted = 0.0;  // tokens per second, by the machine that this point has helped to make
  // The same by a machine that was fitted without this point: what may be expected of points that
  // were not measured. Unset where there are too few others.
  std::optional<double> unseen;

  // How far off the predictions are: -0.08 is 8 % too slow.
  double off() const { return fitted / point.tokens_per_second - 1.0; }
  std::optional<double> unseen_off() const {
    if (!unseen) return {};
    return *unseen / point.tokens_per_second - 1.0;
  }
};

struct Calibration {
  Machine machine;
  std::vector<FittedPoint> points;
  std::vector<std::string> left_out;  // points that this machine cannot have had, and why
  std::vector<FittedParameter> parameters;

  // The largest off() and unseen_off() in size of all points, or of the steady ones; 0 where there
  // is none.
  enum class Points : std::uint8_t { kAll, kSteady };
  double worst_fitted(Points which = Points::kAll) const;
  double worst_unseen(Points which = Points::kAll) const;
  bool all_steady() const;
};

// Fits a machine to what was measured with a model: least squares of the logarithms of predicted
// over measured times, with a light pull towards the description that it begins with, so that what
// the measurements do not tell stays as it was. A point counts the less the further its rounds are
// apart. Links come from measured all-reduces. A pure
// function, and the same result in every run. Throws BadInput where no point is left.
Calibration Calibrate(const ModelSpec& spec, const Machine& start,
                      const Measurements& measurements);

}  // namespace lockstep
