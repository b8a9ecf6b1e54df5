#pragma once

// Where keys and values lie in the cache's pages, and how their formats are read.

#include "layers/kernels/cuda/device.h"
#include "layers/kernels/cuda/kernels.h"

namespace lockstep::cuda {

constexpr int kCacheParts = 2;  // key, value
enum class CachePart : int { kKey = 0, kValue = 1 };

// The element where one head's kPageTokens rows of `width` begin, within one page.
__device__ __forceinline__ std::int64_t PageOffset(std::int64_t page, CachePart part,
                                                   std::int64_t head, std::int64_t local_heads,
                                                   int width) {
  return ((page * kCacheParts + static_cast<int>(part)) * local_heads + head) * kPageTokens * width;
}

// Two fp8 e4m3 in the low 16 bits. One instruction from compute capability 8.9 on, a few before.
__device__ __forceinline__ void Fp8ToFloats(unsigned pair, float& first, float& second) {
  const __half2_raw raw =
      __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(pair & 0xffffu), __NV_E4M3);
  first = __half2float(__half(__half_raw{raw.x}));
  second = __half2float(__half(__half_raw{raw.y}));
}

// Eight neighbouring elements as they are stored: fp8 without its scale.
template <typename C>  // BF16, F16, Fp8
__device__ __forceinline__ void CacheToFloats(const C* from, float (&to)[8]) {
  if constexpr (sizeof(C) == 1) {
    const uint2 raw = *reinterpret_cast<const uint2*>(from);
    Fp8ToFloats(raw.x, to[0], to[1]);
    Fp8ToFloats(raw.x >> 16, to[2], to[3]);
    Fp8ToFloats(raw.y, to[4], to[5]);
    Fp8ToFloats(raw.y >> 16, to[6], to[7]);
  } else {
    Load<Access::kVectors>(from, 8, to);
  }
}

// Larger than fp8's range becomes its largest value.
template <typename C>
__device__ __forceinline__ void FloatsToCache(const float (&from)[8], C* to) {
  if constexpr (sizeof(C) == 1) {
    Vector<unsigned char, 8> bytes;
#pragma unroll
    for (int i = 0; i < 8; ++i)
      bytes.values[i] = __nv_cvt_float_to_fp8(from[i], __NV_SATFINITE, __NV_E4M3);
    *reinterpret_cast<Vector<unsigned char, 8>*>(to) = bytes;
  } else {
    Store<Access::kVectors>(to, 8, from);
  }
}

}  // namespace lockstep::cuda
