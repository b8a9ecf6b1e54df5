#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/numbers/tensor.h"
#include "core/numbers/weight_format.h"
#include "partition/plan/slice.h"

namespace lockstep::cuda {

// A weight in 8 bits: one fp32 scale for each output and group of kInt8GroupInputs inputs, as
// GroupsOf() has them.
struct QuantisedWeight {
  Tensor values;                          // [outputs, inputs] int8, four in an int32
  Tensor scales;                          // [outputs, groups] fp32
  std::vector<std::int64_t> first_group;  // of each range
};

// weight: [outputs, inputs] fp32 in host memory. ranges: all inputs, one behind the other.
QuantisedWeight Quantise(const TensorView& weight, std::span<const Range> ranges);

// The same in fp8 e4m3: one scale for each output and range, which makes the largest of them fp8's
// largest.
struct Fp8Weight {
  Tensor values;  // [outputs, inputs] fp8, four in an int32
  Tensor scales;  // [ranges, outputs] fp32
};
Fp8Weight QuantiseToFp8(const TensorView& weight, std::span<const Range> ranges);

// Ranges in groups of so many inputs, which are counted anew from where each range begins.
struct InputGroups {
  std::vector<Range> groups;
  std::vector<std::int64_t> first;  // of each range
};
InputGroups GroupsOf(std::span<const Range> ranges, std::int64_t group_inputs);

}  // namespace lockstep::cuda
