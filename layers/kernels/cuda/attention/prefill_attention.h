#pragma once

// Prefill attention on tensor cores. Scores, probabilities and outputs stay in the registers in
// which the multiplications leave them: what a lane has of a row's scores is what it must bring of
// the row's probabilities (tensor_core.h says which that is).
//
// A block has kTileRows queries of one head, a warp 16 of them, and walks over the keys in steps
// counted from position 0: a row's result is the same in every tile and chunk of its prompt.

#include <cuda_runtime.h>

#include "layers/kernels/cuda/attention/cache.h"
#include "layers/kernels/cuda/attention/position_splits.h"
#include "layers/kernels/cuda/attention/prefill_tile.h"
#include "layers/kernels/cuda/kernels/last_block.h"
#include "layers/kernels/cuda/kernels/tensor_core.h"

namespace lockstep::cuda {

// Copies the tile's queries; rows beyond its end are zeros.
template <typename T, int kWidth>
__device__ __forceinline__ void StageQueries(const PrefillAttentionArgs& args,
                                             const PrefillTile& tile, int head, T* queries) {
  using Tiling = PrefillTiling<kWidth>;
  const T* q = static_cast<const T*>(args.q);
  for (int i = static_cast<int>(threadIdx.x); i < kTileRows * (kWidth / 8); i += Tiling::kThreads) {
    const int row = i / (kWidth / 8), column = i % (kWidth / 8) * 8;
    const bool exists = row < tile.row_count;
    const std::int64_t from = tile.first_row + (exists ? row : 0);
    CopyAsync(queries + Tiling::Place(row, column),
              q + (from * args.cache.local_heads + head) * kWidth + column, exists ? 16 : 0);
  }
}

// Copies keys or values of positions [first, first + kKeys); those at `limit` and beyond are zeros,
// since what a page holds there may be NaN, and NaN * 0 would reach the sums.
template <typename T, typename C, int kWidth, int kUnroll>
__device__ __forceinline__ void StagePositions(const PrefillAttentionArgs& args,
                                               const std::int32_t* pages, CachePart part, int head,
                                               int first, int limit, T* to) {
  using Tiling = PrefillTiling<kWidth>;
#pragma unroll kUnroll
  for (int i = static_cast<int>(threadIdx.x); i < Tiling::kKeys * (kWidth / 8);
       i += Tiling::kThreads) {
    const int row = i / (kWidth / 8), column = i % (kWidth / 8) * 8;
    const bool exists = first + row < limit;
    const int position = exists ? first + row : first;  // which always exists
    const C* rows =
        static_cast<const C*>(args.cache.pages) +
        PageOffset<C>(pages[position / kPageTokens], part, head, args.cache.local_heads, kWidth);
    const C* source = rows + position % kPageTokens * kWidth + column;
    T* target = to + Tiling::Place(row, column);
    if constexpr (sizeof(C) == sizeof(T)) {
      CopyAsync(target, source, exists ? 16 : 0);
    } else {
      float values[8];
      CacheToFloats(source, values);
      const float scale = exists ? ScalesOf(rows, kWidth)[position % kPageTokens] : 0.0f;
#pragma unroll
      for (int j = 0; j < 8; ++j) values[j] = exists ? values[j] * scale : 0.0f;
      Store<Access::kVectors>(target, 8, values);
    }
  }
}

// The lane's part of rows [0, 16) and columns [column, column + 16) of the warp's queries.
template <typename T, int kWidth>
__device__ __forceinline__ void LoadQueries(const T* queries, int warp_row, int column,
                                            unsigned (&to)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  LoadMatrices(queries + PrefillTiling<kWidth>::Place(warp_row + lane % 16, column + lane / 16 * 8),
               to);
}

// The warp's queries, in registers where there are enough of them, else where they were copied to.
template <typename T, int kWidth>
struct Queries {
  static constexpr bool kKept = kWidth <= 128;
  const T* queries;
  int warp_row;
  unsigned kept[kKept ? kWidth / 16 : 1][4];

  __device__ __forceinline__ void Keep() {
    if constexpr (kKept) {
#pragma unroll
      for (int k = 0; k < kWidth / 16; ++k)
        LoadQueries<T, kWidth>(queries, warp_row, k * 16, kept[k]);
    }
  }
  __device__ __forceinline__ void Get(int k, unsigned (&to)[4]) const {
    if constexpr (kKept) {
#pragma unroll
      for (int i = 0; i < 4; ++i) to[i] = kept[k][i];
    } else {
      LoadQueries<T, kWidth>(queries, warp_row, k * 16, to);
    }
  }
};

template <int kWidth>
using Scores = float[PrefillTiling<kWidth>::kKeys / 8][4];
template <int kWidth>
using Outputs = float[kWidth / 8][4];

// scores = the warp's queries times the step's keys.
template <typename T, int kWidth>
__device__ __forceinline__ void ComputeScores(const Queries<T, kWidth>& queries, const T* keys,
                                              Scores<kWidth>& scores) {
  using Tiling = PrefillTiling<kWidth>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int n = 0; n < Tiling::kKeys / 8; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[n][i] = 0.0f;
      // Not all of a wide head's at once: the compiler would load so far ahead that it spills.
#pragma unroll kWidth> 128 ? 2 : 16
  for (int k = 0; k < kWidth / 16; ++k) {
    unsigned q[4];
    queries.Get(k, q);
#pragma unroll
    for (int n = 0; n < Tiling::kKeys / 16; ++n) {
      unsigned two[4];  // keys' parts of two products
      LoadMatrices(
          keys + Tiling::Place(n * 16 + lane / 16 * 8 + lane % 8, k * 16 + lane / 8 % 2 * 8), two);
      const unsigned first[2] = {two[0], two[1]}, second[2] = {two[2], two[3]};
      MultiplyAdd<T>(q, first, scores[2 * n]);
      MultiplyAdd<T>(q, second, scores[2 * n + 1]);
    }
  }
}

// Takes away what the rows may not see: of the lane's first row columns [visible, kKeys), of its
// second one those eight behind that.
template <int kWidth>
__device__ __forceinline__ void HideFuture(int visible, Scores<kWidth>& scores) {
  const int first = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int n = 0; n < PrefillTiling<kWidth>::kKeys / 8; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (n * 8 + first + i % 2 >= visible + i / 2 * 8) scores[n][i] = -INFINITY;
}

// Turns scores into probabilities and shrinks what was summed before. `scale` has log2(e) in it:
// exp2 is one instruction.
template <int kWidth>
__device__ __forceinline__ void Soften(float scale, Scores<kWidth>& scores, RowStates& state,
                                       Outputs<kWidth>& outputs) {
  constexpr int kTiles = PrefillTiling<kWidth>::kKeys / 8;
  float factors[2];
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    float largest = -INFINITY;
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
      largest = fmaxf(largest, fmaxf(scores[n][2 * row], scores[n][2 * row + 1]));
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 1));
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 2));
    largest = fmaxf(state.max[row], largest * scale);
    factors[row] = exp2f(state.max[row] - largest);
    state.max[row] = largest;
    state.sum[row] *= factors[row];
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
#pragma unroll
      for (int i = 2 * row; i < 2 * row + 2; ++i) {
        scores[n][i] = exp2f(fmaf(scores[n][i], scale, -largest));
        state.sum[row] += scores[n][i];
      }
  }
  // Most steps find no new maximum in any row, and then there is nothing to scale.
  if (!__any_sync(kAllLanes, factors[0] != 1.0f || factors[1] != 1.0f)) return;
#pragma unroll
  for (int n = 0; n < kWidth / 8; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) outputs[n][i] *= factors[i / 2];
}

// outputs += probabilities times the step's values.
template <typename T, int kWidth>
__device__ __forceinline__ void AddValues(const Scores<kWidth>& probabilities, const T* values,
                                          Outputs<kWidth>& outputs) {
  using Tiling = PrefillTiling<kWidth>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int k = 0; k < Tiling::kKeys / 16; ++k) {
    const float(&low)[4] = probabilities[2 * k];
    const float(&high)[4] = probabilities[2 * k + 1];
    const unsigned p[4] = {PackPair<T>(low[0], low[1]), PackPair<T>(low[2], low[3]),
                           PackPair<T>(high[0], high[1]), PackPair<T>(high[2], high[3])};
#pragma unroll
    for (int n = 0; n < kWidth / 16; ++n) {
      unsigned two[4];
      LoadMatricesTransposed(values + Tiling::Place(k * 16 + lane % 16, n * 16 + lane / 16 * 8),
                             two);
      const unsigned first[2] = {two[0], two[1]}, second[2] = {two[2], two[3]};
      MultiplyAdd<T>(p, first, outputs[2 * n]);
      MultiplyAdd<T>(p, second, outputs[2 * n + 1]);
    }
  }
}

// Writes the warp's rows, of the lanes' sums.
template <typename T, int kWidth>
__device__ __forceinline__ void StoreOutputs(const PrefillAttentionArgs& args, std::int64_t row,
                                             int head, int rows_left, const RowStates& state,
                                             const Outputs<kWidth>& outputs) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const auto d_head = static_cast<int>(args.cache.d_head);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float factor = 1.0f / state.sum[half];
    const int own = half * 8 + lane / 4;
    if (own >= rows_left) continue;
    T* y = static_cast<T*>(args.y) + ((row + own) * args.cache.local_heads + head) * d_head;
#pragma unroll
    for (int n = 0; n < kWidth / 8; ++n) {
      const int column = n * 8 + lane % 4 * 2;
      const float first = outputs[n][2 * half] * factor, second = outputs[n][2 * half + 1] * factor;
      // The same for all: whole words for every real model, elements for odd heads.
      if (d_head % 2 == 0 && column < d_head)
        *reinterpret_cast<unsigned*>(y + column) = PackPair<T>(first, second);
      if (d_head % 2 == 0) continue;
      if (column < d_head) y[column] = FromFloat<T>(first);
      if (column + 1 < d_head) y[column + 1] = FromFloat<T>(second);
    }
  }
}

// kInSplits: by SumOrder::kFixed, a block for all splits of its rows (gridDim.z is 1) or for each.
template <typename T, typename C, int kWidth, bool kInSplits>
__global__ void __launch_bounds__(PrefillTiling<kWidth>::kThreads,
                                  PrefillTiling<kWidth>::kBlocksPerSm)
    PrefillKernel(PrefillAttentionArgs args, float scale) {
  using Tiling = PrefillTiling<kWidth>;
  LOCKSTEP_DYNAMIC_SHARED(unsigned char, memory);
  LetNextKernelBegin();
  // The last tiles of a prompt see the most keys: they begin first.
  const PrefillTile tile = args.tiles[gridDim.y - 1 - blockIdx.y];
  AwaitPriorKernels();
  if (tile.sequence < 0) return;  // all threads
  constexpr int kStepsOfSplit = kFixedSplit / Tiling::kKeys;
  const bool apart = kInSplits && gridDim.z > 1;
  const int head = static_cast<int>(blockIdx.x), lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp_row = static_cast<int>(threadIdx.x) / kWarp * Tiling::kWarpRows;
  const int limit = tile.first_position + tile.row_count;  // positions that any row sees
  const int split = static_cast<int>(blockIdx.z), splits = (limit - 1) / kFixedSplit + 1;
  if (apart && split >= splits) return;  // all threads
  const int first_step = apart ? split * kStepsOfSplit : 0;
  const int end = apart ? min(limit, (split + 1) * kFixedSplit) : limit;
  const int warp_position = tile.first_position + warp_row;
  const int warp_limit = min(limit, warp_position + Tiling::kWarpRows);
  const std::int32_t* pages = args.page_tables + tile.sequence * args.page_table_stride;
  T* queries = reinterpret_cast<T*>(memory);
  T* stages = queries + Tiling::kQueryElements;  // keys, then values, of each
  // Of the widest heads splits leave no registers for more.
  constexpr int kUnroll = kInSplits && kWidth > 128 ? 1 : 4;
  [[maybe_unused]] constexpr int kUnrolledParts = kUnroll > 1 ? kCacheParts : 1;
  const auto stage = [&](int step) {
    T* keys = stages + step % Tiling::kStages * 2 * Tiling::kKeyElements;
    const int first = step * Tiling::kKeys;
#pragma unroll kUnrolledParts
    for (int part = 0; part < kCacheParts; ++part)
      StagePositions<T, C, kWidth, kUnroll>(args, pages, static_cast<CachePart>(part), head, first,
                                            end, keys + part * Tiling::kKeyElements);
  };

  StageQueries<T, kWidth>(args, tile, head, queries);
  stage(first_step);
  CommitCopies();
  Queries<T, kWidth> own_queries{queries, warp_row, {}};
  Outputs<kWidth> outputs = {};
  RowStates state{kInSplits ? kNothingSeen : -INFINITY};
  [[maybe_unused]] const auto own_rows = [&] {
    return SplitRows<kWidth>(args, tile.first_row + warp_row, tile.row_count - warp_row, head);
  };
  for (int step = first_step; step * Tiling::kKeys < end; ++step) {
    AwaitCopies<0>();
    __syncthreads();  // this step is there, and every warp is through with the one before
    if (step == first_step) own_queries.Keep();
    if ((step + 1) * Tiling::kKeys < end) stage(step + 1);
    CommitCopies();
    const int first = step * Tiling::kKeys;
    if constexpr (kInSplits) {
      if (!apart && step > 0 && step % kStepsOfSplit == 0 && warp_row < tile.row_count) {
        // A split has ended, and another one begins.
        SumLanesOfRows(state);
        if (step > kStepsOfSplit) AddEarlierSplits<kWidth>(own_rows(), state, outputs);
        __syncwarp();  // all lanes have read what one of them writes
        StoreSplit<kWidth>(own_rows(), 0, state, outputs);
        state = RowStates(kNothingSeen);
        for (auto& columns : outputs)
          for (float& sum : columns) sum = 0.0f;
      }
    }
    // Rows that see nothing of this step keep their bits without it: the whole warp goes on.
    if (warp_row >= tile.row_count || first >= warp_limit) continue;
    const T* keys = stages + step % Tiling::kStages * 2 * Tiling::kKeyElements;
    Scores<kWidth> scores;
    ComputeScores<T, kWidth>(own_queries, keys, scores);
    if (first + Tiling::kKeys > warp_position + 1)
      HideFuture<kWidth>(warp_position + lane / 4 + 1 - first, scores);
    Soften<kWidth>(scale, scores, state, outputs);
    AddValues<T, kWidth>(scores, keys + Tiling::kKeyElements, outputs);
  }
  SumLanesOfRows(state);
  if constexpr (kInSplits) {
    if (apart && splits > 1) {
      LOCKSTEP_SHARED(unsigned[1], ticket);
      if (warp_row < tile.row_count) StoreSplit<kWidth>(own_rows(), split, state, outputs);
      unsigned* arrived = args.arrived + std::int64_t{blockIdx.y} * gridDim.x + blockIdx.x;
      if (!IsLastBlock(splits, arrived, ticket)) return;  // all threads
      if (warp_row < tile.row_count) SumSplitsOfRows<kWidth>(own_rows(), splits, state, outputs);
    } else if (splits > 1 && warp_row < tile.row_count) {
      AddEarlierSplits<kWidth>(own_rows(), state, outputs);
    }
  }
  if (warp_row >= tile.row_count) return;  // whole warps, and no barrier of the block below
  StoreOutputs<T, kWidth>(args, tile.first_row + warp_row, head, tile.row_count - warp_row, state,
                          outputs);
}

}  // namespace lockstep::cuda
