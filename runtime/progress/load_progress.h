#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "runtime/progress/moving_rate.h"
#include "runtime/progress/progress_line.h"

namespace lockstep {

// "loading 1.2 of 3.4 GB, 0.8 GB/s, 3 s left". bytes: of the weights of all ranks of a group;
// share: what is loaded of them, 0 to 1; bytes_per_second: 0 where it is not known yet.
std::string LoadText(double bytes, double share, double bytes_per_second);

// Shows it while one rank, which is as far as the others, loads its part.
class LoadingLine {
 public:
  LoadingLine(ProgressOutput output, double bytes);

  // After each layer.
  void Note(std::int64_t done, std::int64_t all);

 private:
  ProgressLine line_;
  double bytes_;
  MovingRate rate_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace lockstep
