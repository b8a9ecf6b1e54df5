#pragma once

#include <cstdint>

namespace lockstep {

// A uniform number in [0, 1) that is a pure function of (seed, stream, position): Philox4x32-10
// (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), 53 of its 128 bits.
double UniformAt(std::uint64_t seed, std::uint64_t stream, std::uint64_t position);

}  // namespace lockstep
