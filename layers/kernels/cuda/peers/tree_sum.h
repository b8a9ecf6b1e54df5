#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace lockstep::cuda {

// sum[i] = gathered[0][i] + gathered[1][i] + ..., added as SumTree() of comm/reducer.h does.
struct TreeSumArgs {
  const float* gathered = nullptr;  // [ranks, count]
  std::int32_t ranks = 1;           // at most kMostTreeRanks
  float* sum = nullptr;             // [count]
  std::int64_t count = 0;
};
inline constexpr std::int32_t kMostTreeRanks = 1 << 16;
void TreeSum(const TreeSumArgs& args, cudaStream_t stream);

}  // namespace lockstep::cuda
