#include <cuda_runtime.h>

#include "basic_kernels.h"
#include "device.h"

namespace {

constexpr unsigned kAll = 0xffffffffu;
constexpr int kThreads = 128;

__device__ __forceinline__ int GlobalIndex() {
  return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

__global__ void FillKernel(float* values, float value, int count) {
  const int i = GlobalIndex();
  if (i < count) values[i] = value;
}

__global__ void AddToKernel(const float* x, float* y, int count) {
  const int i = GlobalIndex();
  if (i < count) y[i] += x[i];
}

__global__ void __launch_bounds__(kThreads) BlockSumsKernel(const float* x, float* sums) {
  SHARED(float[kThreads / 32], parts);
  DYNAMIC_SHARED(float, copy);
  const unsigned t = threadIdx.x;
  copy[t] = x[GlobalIndex()];
  __syncthreads();
  float sum = copy[kThreads - 1 - t];  // another thread's
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_xor_sync(kAll, sum, offset);
  if (t % 32 == 0) parts[t / 32] = sum;
  __syncthreads();
  if (t == 0) sums[blockIdx.x] = parts[0] + parts[1] + parts[2] + parts[3];
}

__global__ void CountGreaterKernel(int* out, int count) {
  const int t = static_cast<int>(threadIdx.x);
  for (int i = 0; i < count; ++i) {
    const unsigned votes = __ballot_sync(kAll, t > i);
    if (t % 32 == 0) atomicAdd(&out[i], __popc(votes));
  }
}

__global__ void ShowToPeerKernel(PeerSlot* mine, float value, unsigned round) {
  if (threadIdx.x != 0) return;
  mine->value = value;
  __threadfence_system();
  atomicExch_system(&mine->flag, round);
}

__global__ void AddFromPeerKernel(PeerSlot* peer, unsigned round, float* sum) {
  if (threadIdx.x == 0) {
    while (atomicAdd_system(&peer->flag, 0u) != round) __nanosleep(100);
    __threadfence_system();
  }
  __syncthreads();
  if (threadIdx.x == 1) *sum += peer->value;
}

LaunchShape Covering(int count) {
  return {dim3(static_cast<unsigned>((count + kThreads - 1) / kThreads)), dim3(kThreads)};
}

}  // namespace

cudaError_t Fill(float* values, float value, int count, cudaStream_t stream) {
  return Launch(Covering(count), stream, &FillKernel, values, value, count);
}

cudaError_t AddTo(const float* x, float* y, int count, cudaStream_t stream) {
  return Launch(Covering(count), stream, &AddToKernel, x, y, count);
}

cudaError_t BlockSums(const float* x, float* sums, int blocks, cudaStream_t stream) {
  const LaunchShape shape{dim3(static_cast<unsigned>(blocks)), dim3(kThreads),
                          kThreads * sizeof(float)};
  return Launch(shape, stream, &BlockSumsKernel, x, sums);
}

cudaError_t CountGreater(int* out, int count, cudaStream_t stream) {
  return Launch({dim3(1), dim3(kThreads)}, stream, &CountGreaterKernel, out, count);
}

cudaError_t ShowToPeer(PeerSlot* mine, float value, unsigned round, cudaStream_t stream) {
  return Launch({dim3(1), dim3(32)}, stream, &ShowToPeerKernel, mine, value, round);
}

cudaError_t AddFromPeer(PeerSlot* peer, unsigned round, float* sum, cudaStream_t stream) {
  return Launch({dim3(1), dim3(32)}, stream, &AddFromPeerKernel, peer, round, sum);
}
