#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/numbers/tensor.h"
#include "core/numbers/weight_format.h"
#include "partition/plan/slice.h"

namespace lockstep::cuda {

// A weight in 8 bits: one fp32 scale for each output and group of kInt8GroupInputs inputs. Groups
// are counted anew from where each range begins, so that none crosses two.
struct QuantisedWeight {
  Tensor values;                          // [outputs, inputs] int8, four in an int32
  Tensor scales;                          // [outputs, groups] fp32
  std::vector<std::int64_t> first_group;  // of each range
};

// weight: [outputs, inputs] fp32 in host memory. ranges: all inputs, one behind the other.
QuantisedWeight Quantise(const TensorView& weight, std::span<const Range> ranges);

}  // namespace lockstep::cuda
