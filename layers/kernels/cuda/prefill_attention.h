#pragma once

// Prefill attention on tensor cores, through WMMA, whose fragments' layout is the compiler's
// secret. So scores pass through shared memory, where two lanes share a row; the running output
// stays in fragments and is rescaled by the row that each element says it is of.
//
// A block has kTileRows queries of one head, a warp 16 of them, and walks over the keys in steps
// counted from position 0: a row's result is the same in every tile and chunk of its prompt.

#include <cuda_runtime.h>
// The runtime's header comes first.
#include <mma.h>

#include "layers/kernels/cuda/cache.h"
#include "layers/kernels/cuda/prefill_tile.h"

namespace lockstep::cuda {

namespace wmma = nvcuda::wmma;
template <typename T>
using Left = wmma::fragment<wmma::matrix_a, 16, 16, 16, T, wmma::row_major>;
template <typename T, typename Layout>
using Right = wmma::fragment<wmma::matrix_b, 16, 16, 16, T, Layout>;
using Sums = wmma::fragment<wmma::accumulator, 16, 16, 16, float>;

// The running maximum and sum of one row, in the two lanes that share it. The maximum is the same
// in both; each has the sum of its own columns.
struct RowState {
  float max = -INFINITY;
  float sum = 0.0f;
};

// Copies the tile's queries; rows beyond its end are zeros.
template <typename T, int kWidth>
__device__ __forceinline__ void StageQueries(const PrefillAttentionArgs& args,
                                             const PrefillTile& tile, T* queries) {
  using Tiling = PrefillTiling<kWidth>;
  const T* q = static_cast<const T*>(args.q);
  for (int i = static_cast<int>(threadIdx.x); i < kTileRows * (kWidth / 8); i += Tiling::kThreads) {
    const int row = i / (kWidth / 8), column = i % (kWidth / 8) * 8;
    uint4 chunk = make_uint4(0, 0, 0, 0);
    if (row < tile.row_count)
      chunk = *reinterpret_cast<const uint4*>(
          q + ((tile.first_row + row) * args.cache.local_heads + blockIdx.y) * kWidth + column);
    *reinterpret_cast<uint4*>(queries + row * Tiling::kRowStride + column) = chunk;
  }
}

// Copies keys or values of positions [first, first + kKeys); those at `limit` and beyond are zeros,
// since what a page holds there may be NaN, and NaN * 0 would reach the sums.
template <typename T, typename C, int kWidth>
__device__ __forceinline__ void StagePositions(const PrefillAttentionArgs& args,
                                               const std::int32_t* pages, CachePart part, int first,
                                               int limit, T* to) {
  using Tiling = PrefillTiling<kWidth>;
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x); i < Tiling::kKeys * (kWidth / 8);
       i += Tiling::kThreads) {
    const int row = i / (kWidth / 8), column = i % (kWidth / 8) * 8, position = first + row;
    T* target = to + row * Tiling::kRowStride + column;
    if (position >= limit) {
      *reinterpret_cast<uint4*>(target) = make_uint4(0, 0, 0, 0);
      continue;
    }
    const C* rows = static_cast<const C*>(args.cache.pages) +
                    PageOffset<C>(pages[position / kPageTokens], part, blockIdx.y,
                                  args.cache.local_heads, kWidth);
    const C* source = rows + position % kPageTokens * kWidth + column;
    if constexpr (sizeof(C) == sizeof(T)) {
      *reinterpret_cast<uint4*>(target) = *reinterpret_cast<const uint4*>(source);
    } else {
      float values[8];
      CacheToFloats(source, values);
      const float scale = ScalesOf(rows, kWidth)[position % kPageTokens];
#pragma unroll
      for (int j = 0; j < 8; ++j) values[j] *= scale;
      Store<Access::kVectors>(target, 8, values);
    }
  }
}

// scores [16, kKeys] = the warp's queries times the step's keys.
template <typename T, int kWidth>
__device__ __forceinline__ void ComputeScores(const T* queries, const T* keys, float* scores) {
  using Tiling = PrefillTiling<kWidth>;
  constexpr int kTiles = Tiling::kKeys / 16;
  Sums sums[kTiles];
#pragma unroll
  for (int n = 0; n < kTiles; ++n) wmma::fill_fragment(sums[n], 0.0f);
    // Unrolled by four: all at once, the compiler loads so far ahead that wide heads spill.
#pragma unroll 4
  for (int k = 0; k < kWidth; k += 16) {
    Left<T> left;
    wmma::load_matrix_sync(left, queries + k, Tiling::kRowStride);
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      Right<T, wmma::col_major> right;  // the keys transposed, where they lie
      wmma::load_matrix_sync(right, keys + n * 16 * Tiling::kRowStride + k, Tiling::kRowStride);
      wmma::mma_sync(sums[n], left, right, sums[n]);
    }
  }
#pragma unroll
  for (int n = 0; n < kTiles; ++n)
    wmma::store_matrix_sync(scores + n * 16, sums[n], Tiling::kScoreStride, wmma::mem_row_major);
}

// Turns the scores of the lane's half row into probabilities of T, in place, and returns the factor
// by which what was summed before shrinks. Columns [0, visible) are seen. `scale` has log2(e) in
// it: exp2 is one instruction.
template <typename T, int kWidth>
__device__ __forceinline__ float Soften(float* scores, int visible, float scale, RowState& state) {
  using Tiling = PrefillTiling<kWidth>;
  constexpr int kChunks = Tiling::kKeys / 8;  // of four columns; the other lane has the odd ones
  const int row = static_cast<int>(threadIdx.x) % kWarp / 2;
  const int half = static_cast<int>(threadIdx.x) % 2;
  float* own = scores + row * Tiling::kScoreStride;
  float values[kChunks][4];
  float largest = state.max;
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    const int column = (2 * chunk + half) * 4;
    Load<Access::kVectors>(own + column, 4, values[chunk]);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      values[chunk][i] = column + i < visible ? values[chunk][i] * scale : -INFINITY;
      largest = fmaxf(largest, values[chunk][i]);
    }
  }
  // The shuffle also says that both lanes have read their scores, before probabilities replace
  // them.
  largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 1));
  const float factor = exp2f(state.max - largest);
  state.max = largest;
  state.sum *= factor;
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      values[chunk][i] = exp2f(values[chunk][i] - largest);
      state.sum += values[chunk][i];
    }
    Store<Access::kVectors>(reinterpret_cast<T*>(own) + (2 * chunk + half) * 4, 4, values[chunk]);
  }
  return factor;
}

// outputs += probabilities times the step's values.
template <typename T, int kWidth>
__device__ __forceinline__ void AddValues(const T* probabilities, const T* values,
                                          Sums (&outputs)[kWidth / 16]) {
  using Tiling = PrefillTiling<kWidth>;
#pragma unroll 1  // as above
  for (int k = 0; k < Tiling::kKeys; k += 16) {
    Left<T> left;
    // A row of probabilities begins where its scores of twice the size began.
    wmma::load_matrix_sync(left, probabilities + k, 2 * Tiling::kScoreStride);
#pragma unroll
    for (int n = 0; n < kWidth / 16; ++n) {
      Right<T, wmma::row_major> right;
      wmma::load_matrix_sync(right, values + k * Tiling::kRowStride + n * 16, Tiling::kRowStride);
      wmma::mma_sync(outputs[n], left, right, outputs[n]);
    }
  }
}

// Which row of a tile each element of a fragment is of: four bits each, since the wide heads leave
// no register to spare.
struct FragmentRows {
  static_assert(Sums::num_elements * 4 <= 32);
  unsigned packed = 0;

  __device__ __forceinline__ unsigned row(int element) const { return packed >> element * 4 & 15u; }
};

__device__ __forceinline__ FragmentRows LocateRows(float* scratch) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int i = lane; i < 16 * 16; i += kWarp) scratch[i] = static_cast<float>(i / 16);
  __syncwarp();
  Sums rows;
  wmma::load_matrix_sync(rows, scratch, 16, wmma::mem_row_major);
  __syncwarp();
  FragmentRows located;
#pragma unroll
  for (int i = 0; i < Sums::num_elements; ++i)
    located.packed |= static_cast<unsigned>(rows.x[i]) << i * 4;
  return located;
}

// outputs *= the factor of each element's row. `factors` [16] is the warp's.
template <int kTiles>
__device__ __forceinline__ void ScaleRows(float factor, const FragmentRows& rows, float* factors,
                                          Sums (&outputs)[kTiles]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (lane % 2 == 0) factors[lane / 2] = factor;
  __syncwarp();
#pragma unroll
  for (int i = 0; i < Sums::num_elements; ++i) {
    const float own = factors[rows.row(i)];
#pragma unroll
    for (int n = 0; n < kTiles; ++n) outputs[n].x[i] *= own;
  }
  __syncwarp();
}

// Writes the warp's rows through `scratch` [16, kScoreStride], 16 columns at a time.
template <typename T, int kWidth>
__device__ __forceinline__ void StoreOutputs(const PrefillAttentionArgs& args, std::int64_t row,
                                             int rows_left, const Sums (&outputs)[kWidth / 16],
                                             float* scratch) {
  constexpr int kStride = PrefillTiling<kWidth>::kScoreStride;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const auto d_head = static_cast<int>(args.cache.d_head);
  T* y =
      static_cast<T*>(args.y) + ((row + lane / 2) * args.cache.local_heads + blockIdx.y) * d_head;
#pragma unroll
  for (int n = 0; n < kWidth / 16; ++n) {
    wmma::store_matrix_sync(scratch, outputs[n], kStride, wmma::mem_row_major);
    __syncwarp();
    const int column = n * 16 + lane % 2 * 8;
    float values[8];
    Load<Access::kVectors>(scratch + lane / 2 * kStride + lane % 2 * 8, 8, values);
    __syncwarp();
    if (lane / 2 >= rows_left || column >= d_head) continue;
    // The same for all: whole vectors for every real model, elements for odd heads.
    if (d_head % 8 == 0)
      Store<Access::kVectors>(y + column, 8, values);
    else
      Store<Access::kElements>(y + column, d_head - column, values);
  }
}

template <typename T, typename C, int kWidth>
__global__ void __launch_bounds__(PrefillTiling<kWidth>::kThreads,
                                  PrefillTiling<kWidth>::kBlocksPerSm)
    PrefillKernel(PrefillAttentionArgs args, float scale) {
  using Tiling = PrefillTiling<kWidth>;
  LOCKSTEP_DYNAMIC_SHARED(unsigned char, memory);
  LOCKSTEP_SHARED(float[Tiling::kWarps][16], factors);
  const PrefillTile tile = args.tiles[blockIdx.x];
  if (tile.sequence < 0) return;  // all threads
  T* queries = reinterpret_cast<T*>(memory);
  T* keys = queries + Tiling::kQueryElements;
  T* values = keys + Tiling::kKeyElements;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  float* scores =
      reinterpret_cast<float*>(values + Tiling::kKeyElements) + warp * Tiling::kWarpScores;

  const int limit = tile.first_position + tile.row_count;  // positions that any row sees
  const int warp_row = warp * Tiling::kWarpRows;
  const int warp_limit = min(limit, tile.first_position + warp_row + Tiling::kWarpRows);
  const int own_position =
      tile.first_position + warp_row + static_cast<int>(threadIdx.x) % kWarp / 2;
  const std::int32_t* pages = args.page_tables + tile.sequence * args.page_table_stride;

  StageQueries<T, kWidth>(args, tile, queries);
  const FragmentRows rows = LocateRows(scores);
  Sums outputs[kWidth / 16];
#pragma unroll
  for (int n = 0; n < kWidth / 16; ++n) wmma::fill_fragment(outputs[n], 0.0f);
  RowState state;
  for (int first = 0; first < limit; first += Tiling::kKeys) {
    __syncthreads();  // every warp is through with the step before
    StagePositions<T, C, kWidth>(args, pages, CachePart::kKey, first, limit, keys);
    StagePositions<T, C, kWidth>(args, pages, CachePart::kValue, first, limit, values);
    __syncthreads();
    // Rows that see nothing of this step keep their bits without it: the whole warp goes on.
    if (warp_row >= tile.row_count || first >= warp_limit) continue;
    ComputeScores<T, kWidth>(queries + warp_row * Tiling::kRowStride, keys, scores);
    __syncwarp();
    const float factor = Soften<T, kWidth>(scores, own_position + 1 - first, scale, state);
    // Most steps find no new maximum in any row, and then there is nothing to scale.
    if (__any_sync(kAllLanes, factor != 1.0f)) ScaleRows(factor, rows, factors[warp], outputs);
    __syncwarp();
    AddValues<T, kWidth>(reinterpret_cast<const T*>(scores), values, outputs);
  }
  if (warp_row >= tile.row_count) return;  // whole warps, and no barrier of the block below
  const float sum = state.sum + __shfl_xor_sync(kAllLanes, state.sum, 1);
  ScaleRows(1.0f / sum, rows, factors[warp], outputs);
  StoreOutputs<T, kWidth>(args, tile.first_row + warp_row, tile.row_count - warp_row, outputs,
                          scores);
}

}  // namespace lockstep::cuda
