#pragma once

#include <span>

#include "planning/simulation/simulate.h"

namespace lockstep {

// What all copies of the model have in common.
struct CopyShape {
  StepModel model;
  RankRates rates;
  TextLoad workload;
  std::int64_t max_sequences = 256;
  std::int64_t max_step_tokens = 512;
  std::int64_t cache_pages = 1;
};

// One copy, whose requests arrive at these times (seconds, ascending).
Simulation SimulateCopy(const CopyShape& shape, std::span<const double> arrivals);

}  // namespace lockstep
