// What benchmarks compare with: kernels that do nothing but what bounds others.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kAtATime = 4;  // accesses of a thread on their way together

// Every thread reads vectors kThreads * blocks apart; what it finds is stored only where it is what
// it never is, so that the reading cannot be left out.
__global__ void __launch_bounds__(kThreads) ReadKernel(ReadMemoryArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const auto* from = static_cast<const uint4*>(args.memory);
  const std::int64_t count = args.bytes / static_cast<std::int64_t>(sizeof(uint4));
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  unsigned all = 0;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += kAtATime * step) {
    uint4 part[kAtATime] = {};
#pragma unroll
    for (int j = 0; j < kAtATime; ++j)
      if (i + j * step < count) part[j] = __ldcs(from + i + j * step);
#pragma unroll
    for (int j = 0; j < kAtATime; ++j) all |= part[j].x | part[j].y | part[j].z | part[j].w;
  }
  if (all == args.never) *args.found = all;
}

// Numbers of all sizes below 1, of both signs.
__global__ void __launch_bounds__(kThreads) ScatterKernel(ScatterArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= args.count) return;
  unsigned x = static_cast<unsigned>(i) * 2654435761u + 12345u;
  x ^= x >> 15;
  x *= 2246822519u;
  x ^= x >> 13;
  static_cast<BF16*>(args.y)[i] =
      FromFloat<BF16>(static_cast<float>(static_cast<int>(x)) * 4.6566e-10f);
}

}  // namespace

void ReadMemory(const ReadMemoryArgs& args, int blocks, cudaStream_t stream) {
  Launch("ReadMemory", {dim3(static_cast<unsigned>(blocks)), dim3(kThreads), stream}, ReadKernel,
         args);
}

void Scatter(const ScatterArgs& args, cudaStream_t stream) {
  Launch("Scatter", {dim3(BlocksFor(args.count, kThreads)), dim3(kThreads), stream}, ScatterKernel,
         args);
}

}  // namespace lockstep::cuda
