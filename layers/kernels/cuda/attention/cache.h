#pragma once

// Where keys and values lie in the cache's pages, and how their formats are read and written.

#include <type_traits>

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/kernels/fp8.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

constexpr int kCacheParts = 2;  // key, value
enum class CachePart : int { kKey = 0, kValue = 1 };

// Whether a format has a scale for each position.
template <typename C>
constexpr bool kScaled = sizeof(C) == 1;

// The element where one head's kPageTokens rows of `width` begin, within one page.
template <typename C>
__device__ __forceinline__ std::int64_t PageOffset(std::int64_t page, CachePart part,
                                                   std::int64_t head, std::int64_t local_heads,
                                                   int width) {
  constexpr int kScaleElements = kScaled<C> ? sizeof(float) : 0;
  return ((page * kCacheParts + static_cast<int>(part)) * local_heads + head) * kPageTokens *
         (width + kScaleElements);
}

// The scales [kPageTokens] behind those rows, on a line of memory of their own.
template <typename C>
__device__ __forceinline__ auto* ScalesOf(C* rows, int width) {
  using Scale = std::conditional_t<std::is_const_v<C>, const float, float>;
  static_assert(kScaled<C> && kPageTokens * sizeof(float) == 128);
  return reinterpret_cast<Scale*>(rows + kPageTokens * width);
}

// x times the scale of a position that has been written.
template <typename C>
__device__ __forceinline__ float Scaled(float x, const C* rows, int width, int position) {
  if constexpr (kScaled<C>) x *= ScalesOf(rows, width)[position];
  return x;
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

template <typename C>
__device__ __forceinline__ void FloatsToCache(const float (&from)[8], C* to) {
  if constexpr (sizeof(C) == 1) {
    Vector<unsigned char, 8> bytes;
#pragma unroll
    for (int i = 0; i < 8; ++i) bytes.values[i] = ToFp8(from[i]);
    *reinterpret_cast<Vector<unsigned char, 8>*>(to) = bytes;
  } else {
    Store<Access::kVectors>(to, 8, from);
  }
}

// A lane's part of a new key or value.
struct CacheChunk {
  int column = -1;  // of the row; none: -1, and zeros
  float values[8] = {};
};

// By a whole warp, whose lanes hold the row of that position in chunks.
template <typename C>
__device__ __forceinline__ void StoreRow(CacheChunk chunk, C* rows, int width, int position) {
  if constexpr (kScaled<C>) {
    float largest = 0.0f;
#pragma unroll
    for (int i = 0; i < 8; ++i) largest = fmaxf(largest, fabsf(chunk.values[i]));
    const Fp8Scale scale = Fp8ScaleOfWarp(largest);
#pragma unroll
    for (int i = 0; i < 8; ++i) chunk.values[i] *= scale.factor;
    if (threadIdx.x % kWarp == 0) ScalesOf(rows, width)[position] = scale.scale;
  }
  if (chunk.column < 0) return;
  FloatsToCache(chunk.values, rows + position * width + chunk.column);
}

}  // namespace lockstep::cuda
