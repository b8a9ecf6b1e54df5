#pragma once

#include <cstdint>

#include "partition/checkpoint/slice_reader.h"

namespace lockstep {

// Random weights, for measuring a shape that there is no checkpoint of. A value depends on (seed,
// the tensor's name, row, column) and on nothing else, so that every rank count holds the same
// model. Matrices have mean 0 and standard deviation 0.02, norm weights 1 and 0.02, biases 0 and
// 0.002; all of them bell-shaped and within 3.5 standard deviations, so that activations stay as
// they are in a freshly initialised model.
// The reader may be called from several threads at once; destinations are fp32, bf16 or fp16.
SliceReader RandomWeights(std::uint64_t seed);

}  // namespace lockstep
