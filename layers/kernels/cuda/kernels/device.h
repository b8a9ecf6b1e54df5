#pragma once

// What the kernels share, and the only place that knows which compiler reads them: nvcc, or the
// host's C++ compiler for the emulation (docs/dev/cuda_emulation.md). The rules for both: shared
// memory only through the two macros, no inline PTX but here and in tensor_core.h, no cooperative
// groups, arithmetic in float with bf16 and half as storage, no return before a barrier, shuffles
// by whole warps.

#include <cuda_runtime.h>
// The runtime's header comes first.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cstdint>
#include <type_traits>

#if defined(LOCKSTEP_CUDA_EMULATION)
// LOCKSTEP_SHARED(float[8][33], tile);     a static shared array
#define LOCKSTEP_SHARED(T, name) LOCKSTEP_EMULATED_SHARED(T, name)
// LOCKSTEP_DYNAMIC_SHARED(float, memory);  the launch's dynamic shared memory, as a pointer
#define LOCKSTEP_DYNAMIC_SHARED(T, name) LOCKSTEP_EMULATED_DYNAMIC_SHARED(T, name)
#define LOCKSTEP_BLOCKS_RUN_TOGETHER 0
#else
#define LOCKSTEP_BLOCKS_RUN_TOGETHER 1
// Aligned, since vectors are stored into arrays of floats.
#define LOCKSTEP_SHARED(T, name) \
  using name##_shared_type = T;  \
  __shared__ __align__(16) name##_shared_type name
#define LOCKSTEP_DYNAMIC_SHARED(T, name)                                    \
  extern __shared__ __align__(128) unsigned char lockstep_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(lockstep_dynamic_shared)
#endif

namespace lockstep::cuda {

using BF16 = __nv_bfloat16;
using F16 = __half;
using Fp8 = __nv_fp8_e4m3;

inline constexpr int kWarp = 32;
// The blocks of a small grid: all at once on a device, one after another in the emulation.
inline constexpr bool kBlocksRunTogether = LOCKSTEP_BLOCKS_RUN_TOGETHER != 0;
inline constexpr unsigned kAllLanes = 0xffffffffu;

// Kernels of one stream overlap on devices of compute capability 9.0 and later (launch.h): the next
// one begins as soon as every block of the one before has begun and has said so, or has ended.
//
// LetNextKernelBegin(): says so.
// AwaitPriorKernels(): until those before have ended, and what they wrote can be seen. Every thread
// of every kernel calls it before it returns, reads what a kernel writes, or writes anything. What
// does not change while a step's kernels run (weights, its ids, positions and page tables, which
// are copied before) may be read before it.
__device__ __forceinline__ void LetNextKernelBegin() {
#if defined(LOCKSTEP_CUDA_EMULATION) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}
__device__ __forceinline__ void AwaitPriorKernels() {
#if defined(LOCKSTEP_CUDA_EMULATION) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  cudaGridDependencySynchronize();
#endif
}

// Brings the 128 bytes around an address of device memory into the second-level cache, and waits
// for nothing: for what is read after AwaitPriorKernels() but has been there before.
__device__ __forceinline__ void Prefetch([[maybe_unused]] const void* address) {
#if !defined(LOCKSTEP_CUDA_EMULATION)
  asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
#endif
}

__device__ __forceinline__ float ToFloat(float x) { return x; }
__device__ __forceinline__ float ToFloat(BF16 x) { return __bfloat162float(x); }
__device__ __forceinline__ float ToFloat(F16 x) { return __half2float(x); }

template <typename T>
__device__ __forceinline__ T FromFloat(float x);
template <>
__device__ __forceinline__ float FromFloat<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ BF16 FromFloat<BF16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ __forceinline__ F16 FromFloat<F16>(float x) {
  return __float2half_rn(x);
}

// Two numbers of T as one word, the first in its lower half.
template <typename T>
__device__ __forceinline__ unsigned PackPair(float first, float second) {
  if constexpr (std::is_same_v<T, BF16>) {
    const __nv_bfloat162_raw raw = __floats2bfloat162_rn(first, second);
    return raw.x | static_cast<unsigned>(raw.y) << 16;
  } else {
    const __half2_raw raw = __floats2half2_rn(first, second);
    return raw.x | static_cast<unsigned>(raw.y) << 16;
  }
}

__device__ __forceinline__ float WarpSum(float x) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(kAllLanes, x, offset);
  return x;
}

__device__ __forceinline__ float WarpMax(float x) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2)
    x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, offset));
  return x;
}

// The same sum in every thread, whatever their number: over lanes, then over warps in their order.
// `slots` has an element for each warp; it may be used again after the next barrier.
template <int kThreads>
__device__ __forceinline__ float BlockSum(float x, float* slots) {
  constexpr int kWarps = kThreads / kWarp;
  const int thread = static_cast<int>(threadIdx.x);
  x = WarpSum(x);
  if (thread % kWarp == 0) slots[thread / kWarp] = x;
  __syncthreads();
  float sum = slots[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp) sum += slots[warp];
  return sum;
}

// N neighbouring elements, moved as one access of N * sizeof(T) bytes (16 at most, a power of two)
// where the compiler can rely on their alignment.
template <typename T, int N>
struct alignas(sizeof(T) * N) Vector {
  T values[N];
};

// How rows lie in memory: rows of whole vectors, or of any width, one element at a time.
enum class Access : std::uint8_t { kVectors, kElements };

// Elements [0, N) of `from` as floats; those at `left` and beyond are zero (kVectors: none are).
template <Access kAccess, int N, typename T>
__device__ __forceinline__ void Load(const T* from, std::int64_t left, float (&to)[N]) {
  if constexpr (kAccess == Access::kVectors) {
    constexpr int kBytes = 16;
    constexpr int kPer = sizeof(T) * N > kBytes ? kBytes / static_cast<int>(sizeof(T)) : N;
#pragma unroll
    for (int i = 0; i < N; i += kPer) {
      const auto part = *reinterpret_cast<const Vector<T, kPer>*>(from + i);
#pragma unroll
      for (int j = 0; j < kPer; ++j) to[i + j] = ToFloat(part.values[j]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = i < left ? ToFloat(from[i]) : 0.0f;
  }
}

template <Access kAccess, int N, typename T>
__device__ __forceinline__ void Store(T* to, std::int64_t left, const float (&from)[N]) {
  if constexpr (kAccess == Access::kVectors) {
    constexpr int kBytes = 16;
    constexpr int kPer = sizeof(T) * N > kBytes ? kBytes / static_cast<int>(sizeof(T)) : N;
#pragma unroll
    for (int i = 0; i < N; i += kPer) {
      Vector<T, kPer> part;
#pragma unroll
      for (int j = 0; j < kPer; ++j) part.values[j] = FromFloat<T>(from[i + j]);
      *reinterpret_cast<Vector<T, kPer>*>(to + i) = part;
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (i < left) to[i] = FromFloat<T>(from[i]);
  }
}

}  // namespace lockstep::cuda
