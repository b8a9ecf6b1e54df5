// What choosing tokens asks of rows of logits beside their largest: taking single logits out, and
// sums of probability.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

__global__ void __launch_bounds__(kThreads) TakeKernel(TakeArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= args.count) return;
  float* logit = args.logits + args.places[i].row * args.columns + args.places[i].column;
  args.y[i] = *logit;
  *logit = -INFINITY;
}

// A block for each question and range. As in Summarise(), threads add in fp32, a few hundred
// numbers at most, and the block adds in doubles.
__global__ void __launch_bounds__(kThreads) MassKernel(MassArgs args) {
  using SumsOfWarps = double[kMassBounds + 1][kWarps];
  LOCKSTEP_SHARED(SumsOfWarps, slots);
  LetNextKernelBegin();
  AwaitPriorKernels();
  const MassRow question = args.questions[blockIdx.x];
  const ColumnRange range = args.ranges[blockIdx.y];
  const float* logits = args.logits + question.row * args.columns;
  float sums[kMassBounds + 1] = {};
  const int first = range.begin + static_cast<int>(threadIdx.x);
  for (int column = first; column < range.end; column += kThreads) {
    const float logit = logits[column];
    const float weight = expf((logit - question.reference) * question.inverse_temperature);
#pragma unroll
    for (int bound = 0; bound < kMassBounds; ++bound) {
      const float limit = question.bound_logits[bound];
      const bool before =
          logit > limit || (logit == limit && column < question.bound_columns[bound]);
      if (before) sums[bound] += weight;
    }
    sums[kMassBounds] += weight;
  }
#pragma unroll
  for (int sum = 0; sum <= kMassBounds; ++sum) {
    double all = sums[sum];
#pragma unroll
    for (int offset = kWarp / 2; offset > 0; offset /= 2)
      all += __shfl_xor_sync(kAllLanes, all, offset);
    if (threadIdx.x % kWarp == 0) slots[sum][threadIdx.x / kWarp] = all;
  }
  __syncthreads();
  if (threadIdx.x > kMassBounds) return;
  double all = 0.0;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) all += slots[threadIdx.x][warp];
  args.y[(blockIdx.x * args.range_count + blockIdx.y) * (kMassBounds + 1) + threadIdx.x] = all;
}

}  // namespace

void TakeLogits(const TakeArgs& args, cudaStream_t stream) {
  Launch("TakeLogits", {dim3(BlocksFor(args.count, kThreads)), dim3(kThreads), stream}, TakeKernel,
         args);
}

void SumMasses(const MassArgs& args, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(args.question_count),
                  static_cast<unsigned>(args.range_count));
  Launch("SumMasses", {grid, dim3(kThreads), stream}, MassKernel, args);
}

}  // namespace lockstep::cuda
