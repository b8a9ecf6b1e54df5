#pragma once

// Attention of SumOrder::kFixed: positions are cut into splits of kFixedSplit, counted from 0, each
// with an online softmax of its own; the splits of a row are added one after the other. A block of
// the prefill kernel takes all splits of its rows, or one: the order is the same.

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

// Of the two rows that a lane shares with three others. The maximum is the same in all four; each
// has the sum of its own columns.
struct RowStates {
  float max[2];
  float sum[2] = {};

  __device__ __forceinline__ explicit RowStates(float before) : max{before, before} {}
};

// The maximum of a row that sees nothing of a split: a number, so that differences are numbers.
constexpr float kNothingSeen = -1e30f;

// What a split has of a row and head in memory: its values, then maximum and sum.
template <int kWidth>
constexpr int kSplitFloats = kWidth + 2;

// The lane's two rows of the warp's sixteen.
template <int kWidth>
struct SplitRows {
  float* rows[2];  // of slot 0; null: no such row

  __device__ __forceinline__ SplitRows(const PrefillAttentionArgs& args, std::int64_t first_row,
                                       int rows_left, int head) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int own = half * 8 + lane / 4;
      const std::int64_t item = (first_row + own) * args.cache.local_heads + head;
      rows[half] =
          own < rows_left ? args.partial + item * gridDim.z * kSplitFloats<kWidth> : nullptr;
    }
  }
  __device__ __forceinline__ float* At(int half, int slot) const {
    return rows[half] + slot * kSplitFloats<kWidth>;
  }
};

// The sums of the four lanes that share a row, in each of them.
__device__ __forceinline__ void SumLanesOfRows(RowStates& state) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    state.sum[half] += __shfl_xor_sync(kAllLanes, state.sum[half], 1);
    state.sum[half] += __shfl_xor_sync(kAllLanes, state.sum[half], 2);
  }
}

// How what a row has of earlier splits and what it has of one more are added. Where it sees nothing
// of that one its sums are zero, and all stays as it is.
struct SplitSum {
  float max;      // of both
  float earlier;  // factors
  float next;

  __device__ __forceinline__ SplitSum(float earlier_max, float next_max)
      : max(fmaxf(earlier_max, next_max)),
        earlier(exp2f(earlier_max - max)),
        next(exp2f(next_max - max)) {}
  __device__ __forceinline__ float Of(float a, float b) const { return fmaf(a, earlier, b * next); }
};

// The columns of a lane: of multiplication n, two that begin here.
__device__ __forceinline__ int ColumnOfLane(int n) {
  return n * 8 + static_cast<int>(threadIdx.x) % 4 * 2;
}

// state and outputs += those of earlier splits, which lie in slot 0.
template <int kWidth>
__device__ __forceinline__ void AddEarlierSplits(const SplitRows<kWidth>& memory, RowStates& state,
                                                 float (&outputs)[kWidth / 8][4]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (memory.rows[half] == nullptr) continue;
    const float* earlier = memory.At(half, 0);
    const SplitSum sum(earlier[kWidth], state.max[half]);
#pragma unroll
    for (int n = 0; n < kWidth / 8; ++n)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float& own = outputs[n][2 * half + i];
        own = sum.Of(earlier[ColumnOfLane(n) + i], own);
      }
    state.sum[half] = sum.Of(earlier[kWidth + 1], state.sum[half]);
    state.max[half] = sum.max;
  }
}

template <int kWidth>
__device__ __forceinline__ void StoreSplit(const SplitRows<kWidth>& memory, int slot,
                                           const RowStates& state,
                                           const float (&outputs)[kWidth / 8][4]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (memory.rows[half] == nullptr) continue;
    float* to = memory.At(half, slot);
#pragma unroll
    for (int n = 0; n < kWidth / 8; ++n)
#pragma unroll
      for (int i = 0; i < 2; ++i) to[ColumnOfLane(n) + i] = outputs[n][2 * half + i];
    if (threadIdx.x % 4 != 0) continue;
    to[kWidth] = state.max[half];
    to[kWidth + 1] = state.sum[half];
  }
}

// state and outputs = the sum of all splits, in the last of their blocks.
template <int kWidth>
__device__ __forceinline__ void SumSplitsOfRows(const SplitRows<kWidth>& memory, int splits,
                                                RowStates& state, float (&outputs)[kWidth / 8][4]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (memory.rows[half] == nullptr) continue;
#pragma unroll 1
    for (int split = 0; split < splits; ++split) {
      // Past the first-level cache, which other blocks' writes do not reach.
      const float* from = memory.At(half, split);
      const float next_max = __ldcg(from + kWidth), next_sum = __ldcg(from + kWidth + 1);
      const SplitSum sum(split == 0 ? next_max : state.max[half], next_max);
#pragma unroll
      for (int n = 0; n < kWidth / 8; ++n)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& own = outputs[n][2 * half + i];
          const float next = __ldcg(from + ColumnOfLane(n) + i);
          own = split == 0 ? next : sum.Of(own, next);
        }
      state.sum[half] = split == 0 ? next_sum : sum.Of(state.sum[half], next_sum);
      state.max[half] = sum.max;
    }
  }
}

}  // namespace lockstep::cuda
