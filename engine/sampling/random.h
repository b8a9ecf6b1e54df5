#pragma once

#include <cstdint>

#include "layers/kernels/noise.h"

namespace lockstep {

// The random bits of the choice at a position: a pure function of (seed, stream, position), which
// is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
NoiseKey NoiseAt(std::uint64_t seed, std::uint64_t stream, std::uint64_t position);

}  // namespace lockstep
