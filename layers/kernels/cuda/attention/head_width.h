#pragma once

// The head widths and cache types that attention is compiled for, in host code.

#include <cmath>

#include "layers/kernels/cuda/kernels/dispatch.h"

namespace lockstep::cuda {

// Calls f with a value of T and one of the cache's type: T itself, or fp8.
template <typename F>
void ForCacheType(DType type, CacheFormat format, const char* launcher, F f) {
  ForHalfType(type, launcher, [&](auto value) {
    using T = decltype(value);
    constexpr CacheFormat kOwn = std::is_same_v<T, BF16> ? CacheFormat::kBF16 : CacheFormat::kF16;
    if (format == CacheFormat::kFp8E4M3) return f(value, Fp8{});
    if (format != kOwn) RefuseArguments(launcher, "the cache is fp8 or of the activations' type");
    f(value, value);
  });
}

// What q k is multiplied by before exp2: factor / sqrt(d_head) and log2(e).
inline float ScoreScale(const Cache& cache, float factor) {
  constexpr float kLog2E = 1.4426950408889634f;
  return factor * kLog2E / std::sqrt(static_cast<float>(cache.d_head));
}

// Calls f with an integral constant of the width.
template <typename F>
void ForHeadWidth(std::int64_t d_head, F f) {
  switch (HeadWidth(d_head)) {
    case 32: return f(std::integral_constant<int, 32>{});
    case 64: return f(std::integral_constant<int, 64>{});
    case 80: return f(std::integral_constant<int, 80>{});
    case 96: return f(std::integral_constant<int, 96>{});
    case 128: return f(std::integral_constant<int, 128>{});
    default: return f(std::integral_constant<int, 256>{});
  }
}

}  // namespace lockstep::cuda
