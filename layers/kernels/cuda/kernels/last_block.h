#pragma once

#include "layers/kernels/cuda/kernels/device.h"

namespace lockstep::cuda {

// Whether this block is the last of `count` to come here; what the others wrote before can then be
// seen, past the first-level cache. `arrived` is zero before and is left so; `ticket` is shared
// memory. Every thread of the block calls it.
__device__ __forceinline__ bool IsLastBlock(int count, unsigned* arrived, unsigned* ticket) {
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) *ticket = atomicAdd(arrived, 1u);
  __syncthreads();
  if (*ticket + 1 != static_cast<unsigned>(count)) return false;
  if (threadIdx.x == 0) *arrived = 0;  // for the next launch
  __threadfence();
  return true;
}

}  // namespace lockstep::cuda
