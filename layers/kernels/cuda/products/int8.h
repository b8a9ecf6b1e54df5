#pragma once

// Weights of 8 bits, as the kernels read them.

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/kernels/launch.h"

namespace lockstep::cuda {

inline constexpr int kInt8Chunk = 16;  // of a thread: 16 bytes

// Four of them as floats. Without the conversion instruction, which runs at a quarter of the rate
// of additions: a byte with its sign bit flipped is the low mantissa of 2^23 + 128 + value.
__device__ __forceinline__ void BytesToFloats(unsigned word, float* to) {
  const unsigned flipped = word ^ 0x80808080u;
#pragma unroll
  for (unsigned i = 0; i < 4; ++i)
    to[i] = __uint_as_float(__byte_perm(flipped, 0x4b000000u, 0x7440u + i)) - 8388736.0f;
}

// A chunk lies in one group.
inline void CheckInt8Groups(std::int64_t inputs, std::int64_t group_inputs, const char* launcher) {
  if (group_inputs < inputs && group_inputs % kInt8Chunk != 0)
    RefuseArguments(launcher, "groups of inputs that are no multiple of 16");
}

}  // namespace lockstep::cuda
