#pragma once
// A kernel with one mistake planted into it at a time.

#include <cuda_runtime.h>

enum class Bug {
  kNone,
  kMissingBarrierBeforeRead,   // of what other warps wrote
  kMissingBarrierBeforeWrite,  // over what other warps may still read
  kRaceBetweenBlocks,
  kReadBehindGlobal,
  kWriteBehindShared,
  kWriteBehindDynamicShared,
  kUninitialisedShared,
  kShuffleWithoutHalfTheWarp,
  kShuffleAcrossMasks,
  kDivergentBarrier,
  kReturnBeforeBarrier,
  kWarpAndBlockDeadlock,
};

struct BugBuffers {
  const float* x;  // [128], all ones
  float* sums;     // [2]: 128 each when nothing is wrong
};

// Two blocks of 128 threads, each of which sums x.
cudaError_t SumWithBug(Bug bug, const float* x, float* sums, cudaStream_t stream);
// Writes 1 to *y, by a kernel that may overlap with those before it, and waits for them or not.
enum class Wait { kForPrior, kForNothing };
cudaError_t WriteOverlapping(Wait wait, float* y, cudaStream_t stream);
// Reads through a pointer that no check of arguments sees.
cudaError_t ReadThroughStruct(BugBuffers buffers, cudaStream_t stream);
