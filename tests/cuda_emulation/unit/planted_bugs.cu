#include <cuda_runtime.h>

#include "device.h"
#include "planted_bugs.h"

namespace {

constexpr unsigned kFull = 0xffffffffu;
constexpr unsigned kThreads = 128, kWarps = kThreads / 32;

template <Bug kBug>
__device__ __forceinline__ float WarpSum(float value, unsigned lane) {
  if constexpr (kBug == Bug::kShuffleWithoutHalfTheWarp) {
    if (lane < 16) value += __shfl_xor_sync(kFull, value, 8);  // the upper half never comes
    return value;
  }
  if constexpr (kBug == Bug::kShuffleAcrossMasks) {
    return value + __shfl_xor_sync(lane < 16 ? 0xffffu : 0xffff0000u, value, 16);
  }
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(kFull, value, offset);
  return value;
}

template <Bug kBug>
__device__ __forceinline__ void FirstBarrier(unsigned warp, unsigned lane) {
  if constexpr (kBug == Bug::kMissingBarrierBeforeRead) return;
  if constexpr (kBug == Bug::kWarpAndBlockDeadlock) {
    if (warp == 1 && lane < 7) __syncwarp();
  }
  if constexpr (kBug == Bug::kDivergentBarrier) {
    if (warp == 2) {
      __syncthreads();
      return;
    }
  }
  __syncthreads();
}

template <Bug kBug>
__global__ void SumKernel(const float* x, float* sums) {
  SHARED(float[kWarps], parts);
  DYNAMIC_SHARED(float, copies);
  const unsigned t = threadIdx.x, lane = t % 32, warp = t / 32;
  if (kBug == Bug::kReturnBeforeBarrier && t >= 96) return;
  float value = x[kBug == Bug::kReadBehindGlobal ? t + 1 : t];
  if (kBug == Bug::kUninitialisedShared) value += parts[warp];
  value = WarpSum<kBug>(value, lane);
  if (lane == 0) {
    float* mine = parts + warp;  // by address: UBSan would see a wrong index of an array first
    mine[kBug == Bug::kWriteBehindShared ? 1 : 0] = value;
    copies[warp + (kBug == Bug::kWriteBehindDynamicShared ? 1 : 0)] = value;
  }
  FirstBarrier<kBug>(warp, lane);
  const float sum = parts[0] + parts[1] + parts[2] + parts[3];
  if (kBug != Bug::kMissingBarrierBeforeWrite) __syncthreads();
  if (lane == 0) parts[warp] = sum;  // the array is used again
  __syncthreads();
  const unsigned target = kBug == Bug::kRaceBetweenBlocks ? 0 : blockIdx.x;
  if (t == 0) sums[target] = parts[3];
}

__global__ void ReadThroughStructKernel(BugBuffers buffers) {
  if (threadIdx.x == 0) buffers.sums[0] = buffers.x[0];
}

__global__ void OverlappingKernel(Wait wait, float* y) {
  if (wait == Wait::kForPrior) cudaGridDependencySynchronize();
  if (threadIdx.x == 0) *y = 1.0f;
}

template <Bug kBug>
cudaError_t LaunchSum(const float* x, float* sums, cudaStream_t stream) {
  const LaunchShape shape{dim3(2), dim3(kThreads), kWarps * sizeof(float)};
  return Launch(shape, stream, &SumKernel<kBug>, x, sums);
}

}  // namespace

cudaError_t SumWithBug(Bug bug, const float* x, float* sums, cudaStream_t stream) {
  using Run = cudaError_t (*)(const float*, float*, cudaStream_t);
  static constexpr Run kRuns[] = {
      &LaunchSum<Bug::kNone>,
      &LaunchSum<Bug::kMissingBarrierBeforeRead>,
      &LaunchSum<Bug::kMissingBarrierBeforeWrite>,
      &LaunchSum<Bug::kRaceBetweenBlocks>,
      &LaunchSum<Bug::kReadBehindGlobal>,
      &LaunchSum<Bug::kWriteBehindShared>,
      &LaunchSum<Bug::kWriteBehindDynamicShared>,
      &LaunchSum<Bug::kUninitialisedShared>,
      &LaunchSum<Bug::kShuffleWithoutHalfTheWarp>,
      &LaunchSum<Bug::kShuffleAcrossMasks>,
      &LaunchSum<Bug::kDivergentBarrier>,
      &LaunchSum<Bug::kReturnBeforeBarrier>,
      &LaunchSum<Bug::kWarpAndBlockDeadlock>,
  };
  return kRuns[static_cast<int>(bug)](x, sums, stream);
}

cudaError_t WriteOverlapping(Wait wait, float* y, cudaStream_t stream) {
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(32);
  config.stream = stream;
  config.attrs = &overlap;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, &OverlappingKernel, wait, y);
}

cudaError_t ReadThroughStruct(BugBuffers buffers, cudaStream_t stream) {
  return Launch({dim3(1), dim3(32)}, stream, &ReadThroughStructKernel, buffers);
}
