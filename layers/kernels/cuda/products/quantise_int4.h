#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/numbers/tensor.h"
#include "partition/plan/slice.h"

namespace lockstep::cuda {

// A weight in 4 bits: the values and scales that processors have of it. Groups are counted anew
// from where each range begins, so that none crosses two.
struct Int4Weight {
  Tensor blocks;  // Int4Block [outputs in sixteens, groups]
  std::int64_t groups = 0;
  std::vector<std::int64_t> first_group;  // of each range
};

// weight: [outputs, inputs] fp32 in host memory. ranges: all inputs, one behind the other. Takes
// all cores that this thread may run on.
Int4Weight QuantiseToInt4(const TensorView& weight, std::span<const Range> ranges);

}  // namespace lockstep::cuda
