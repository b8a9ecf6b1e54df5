#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/plot.h"

namespace lockstep {

// Numbers to places on the drawing, along one axis.
class AxisMap {
 public:
  struct Tick {
    double at = 0.0;  // on the drawing
    std::string label;
  };

  // values: all that the axis is to have room for. from, to: where on the drawing it begins and
  // ends.
  AxisMap(const Axis& axis, const std::vector<double>& values, double from, double to);

  // Empty: there is no place for it.
  std::optional<double> At(double value) const;
  const std::vector<Tick>& ticks() const { return ticks_; }

 private:
  bool IsLog() const { return scale_ == AxisScale::kLog; }
  double Scaled(double value) const;  // of what has a place

  AxisScale scale_;
  double from_;
  double to_;
  double least_ = 0.0;  // scaled: log10 of a logarithmic axis
  double most_ = 1.0;
  bool has_zero_ = false;  // on a logarithmic axis
  double zero_ = 0.0;      // its place, scaled
  std::vector<Tick> ticks_;
};

// Round numbers from least to most: about `count` of them on a linear axis, on a logarithmic one
// powers of ten with 2 and 5 times them between where there are few.
std::vector<double> LinearTicks(double least, double most, int count);
std::vector<double> LogTicks(double least, double most);

}  // namespace lockstep
