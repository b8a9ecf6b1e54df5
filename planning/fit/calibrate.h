#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "planning/fit/measurements.h"

namespace lockstep {

// A number of a machine's description that measurements can tell.
struct Parameter {
  std::string name;  // as in its file: "efficiency.cache"
  std::function<double&(Machine&)> access;
  double least = 0.0;
  double most = 0.0;

  // In the unit of a machine's file.
  double InFile(Machine& machine) const {
    return (name.ends_with("_us") ? 1e6 : 1.0) * access(machine);
  }
};

// What was measured beside what is predicted.
struct FittedPoint {
  SpeedPoint point;
  double fitted = 0.0;  // tokens per second, by the machine that this point has helped to make
  // The same by a machine that was fitted without this point: what may be expected of points that
  // were not measured. Unset where there are too few others.
  std::optional<double> unseen;
};

struct Calibration {
  Machine machine;
  std::vector<FittedPoint> points;
  std::vector<std::string> left_out;  // points that this machine cannot have had, and why
  std::vector<Parameter> parameters;  // that were fitted

  double worst_fitted() const;  // 0.08: 8 % off
  double worst_unseen() const;  // 0 where there is none
};

// Fits a machine to what was measured with a model: least squares of the logarithms of predicted
// over measured times, with a light pull towards the description that it begins with, so that what
// the measurements do not tell stays as it was. Links come from measured all-reduces. A pure
// function, and the same result in every run. Throws BadInput where no point is left.
Calibration Calibrate(const ModelSpec& spec, const Machine& start,
                      const Measurements& measurements);

}  // namespace lockstep
