#pragma once

#include <vector>

#include "planning/fit/measurements.h"

namespace lockstep {

// The machine with the innermost link of such ranks as these all-reduces have shown it: latency and
// bandwidth by least squares of relative errors. Without two sizes it stays as it was.
Machine WithLinksOf(const std::vector<ReducePoint>& reduces, Machine machine);

}  // namespace lockstep
