// Adds what ranks have gathered of each other, in the one order that does not depend on how it
// came.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"
#include "layers/kernels/cuda/peers/tree_sum.h"

namespace lockstep::cuda {
namespace {

constexpr int kTreeSumThreads = 256;
constexpr int kTreeSumLevels = 16;
static_assert(1 << kTreeSumLevels == kMostTreeRanks);

// `powers`: the largest power of two that is not above the number of ranks.
__global__ void __launch_bounds__(kTreeSumThreads) TreeSumKernel(TreeSumArgs args, int powers) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kTreeSumThreads + threadIdx.x;
  if (i >= args.count) return;
  const int pairs = args.ranks - powers;  // of the first ranks, which are added before the tree
  const auto value = [&](int rank) { return args.gathered[rank * args.count + i]; };
  // As in a binary counter: sums of equally many are added at once.
  float waiting[kTreeSumLevels], sum = 0.0f;
  for (int leaf = 0; leaf < powers; ++leaf) {
    sum = leaf < pairs ? value(2 * leaf) + value(2 * leaf + 1) : value(leaf + pairs);
#pragma unroll
    for (int level = 0; level < kTreeSumLevels; ++level) {
      if ((leaf >> level & 1) == 0) {
        waiting[level] = sum;
        break;
      }
      sum = waiting[level] + sum;
    }
  }
  args.sum[i] = sum;
}

}  // namespace

void TreeSum(const TreeSumArgs& args, cudaStream_t stream) {
  if (args.ranks < 1 || args.ranks > kMostTreeRanks)
    RefuseArguments("TreeSum", "a sum of no ranks, or of more than 65536");
  int powers = 1;
  while (2 * powers <= args.ranks) powers *= 2;
  Launch("TreeSum", {dim3(BlocksFor(args.count, kTreeSumThreads)), dim3(kTreeSumThreads), stream},
         TreeSumKernel, args, powers);
}

}  // namespace lockstep::cuda
