#pragma once

// Weights of 4 bits, as the leaf product's kernel reads them.

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/products/int4_block.h"

namespace lockstep::cuda {

// Two of a word's eight weights as T, exactly. Without a conversion: 4 bits are the low mantissa of
// 128 + value + 8 in bf16, and of 1024 + value + 8 in fp16.
template <typename T>
__device__ __forceinline__ unsigned Int4Pair(unsigned word, int pair) {
  constexpr unsigned kBase = std::is_same_v<T, BF16> ? 0x4300u : 0x6400u;
  const unsigned bits = (word >> (4 * pair) & 0x000f000fu) | kBase << 16 | kBase;
  const auto low = static_cast<unsigned short>(bits & 0xffffu);
  const auto high = static_cast<unsigned short>(bits >> 16);
  if constexpr (std::is_same_v<T, BF16>) {
    const __nv_bfloat162 raised(__nv_bfloat162_raw{low, high});
    const __nv_bfloat162_raw made = __hsub2(raised, __float2bfloat162_rn(136.0f));
    return made.x | static_cast<unsigned>(made.y) << 16;
  } else {
    const __half2 raised(__half2_raw{low, high});
    const __half2_raw made = __hsub2(raised, __float2half2_rn(1032.0f));
    return made.x | static_cast<unsigned>(made.y) << 16;
  }
}

__device__ __forceinline__ float Int4Scale(const Int4Block& block, int output) {
  return __uint_as_float(static_cast<unsigned>(block.scales[output]) << 16);
}

}  // namespace lockstep::cuda
