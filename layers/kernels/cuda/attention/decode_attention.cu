// Decode attention: one query against all of its sequence's keys, bound by the reading of the
// cache. Keys are split so that one row keeps many blocks busy; the block that is last to end puts
// the splits together, in their order.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/attention/cache.h"
#include "layers/kernels/cuda/attention/head_width.h"
#include "layers/kernels/cuda/kernels/last_block.h"

namespace lockstep::cuda {
namespace {

constexpr int kWarps = kSplitPositions / kPageTokens;  // a warp takes one page
constexpr int kThreads = kWarps * kWarp;
static_assert(kPageTokens == kWarp);
// Told so, the compiler takes 64 or 80 registers instead of spilling some for more blocks than
// that.
template <int kWidth>
constexpr int kBlocksPerSm = kWidth > 128 ? 5 : 8;

// Elements that one Prefetch() brings.
template <typename C>
constexpr int kPrefetched = 128 / static_cast<int>(sizeof(C));

// A row of the launch, as it stands in device memory.
struct Query {
  std::int64_t row = -1;  // of the batch; -1: none
  int position = 0;
  const std::int32_t* pages = nullptr;
};

__device__ __forceinline__ Query FindQuery(const DecodeAttentionArgs& args, unsigned index) {
  Query query;
  // Both as int: an unsigned index would make another number of -1.
  query.row = args.row_index == nullptr ? static_cast<int>(index) : args.row_index[index];
  if (query.row < 0) return query;
  const std::int32_t sequence = args.rows.sequence_of[query.row];
  if (sequence < 0) return {};
  query.position = args.rows.position_of[query.row];
  query.pages = args.rows.page_tables + sequence * args.rows.page_table_stride;
  return query;
}

// Splits' results: values [row_count, local_heads, splits, width], then their maximum and sum
// [row_count, local_heads, splits, 2].
struct Partial {
  float* values;
  float* statistics;
};

__device__ __forceinline__ Partial PartialOf(const DecodeAttentionArgs& args, int splits, int split,
                                             int width) {
  const std::int64_t all = args.row_count * args.cache.local_heads * splits;
  const std::int64_t item =
      (static_cast<std::int64_t>(blockIdx.x) * args.cache.local_heads + blockIdx.y) * splits +
      split;
  return {args.partial + item * width, args.partial + all * width + item * 2};
}

// The scores of one page's keys for the query. Two lanes share a key, so that each access of the
// warp takes whole sectors of 32 bytes, and a key costs one shuffle. Lane l has keys l / 2 and
// 16 + l / 2; keys at `count` and beyond are -infinity.
template <typename C, int kWidth>
__device__ __forceinline__ void ScorePage(const C* keys, const float* query, int count,
                                          float (&scores)[2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int pass = 0; pass < 2; ++pass) {
    const int key = pass * (kWarp / 2) + lane / 2;
    float sum = 0.0f;
    if (key < count) {
#pragma unroll 8
      for (int i = 0; i < kWidth / 16; ++i) {
        const int column = (2 * i + lane % 2) * 8;
        float part[8];
        CacheToFloats(keys + key * kWidth + column, part);
#pragma unroll
        for (int j = 0; j < 8; ++j) sum = fmaf(part[j], query[column + j], sum);
      }
    }
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    scores[pass] = key < count ? Scaled(sum, keys, kWidth, key) : -INFINITY;
  }
}

// How lanes share a row of values: each has eight columns, and a warp reads kGroups rows at once.
template <int kWidth>
struct ValueLanes {
  static constexpr int kLanes = kWidth / 8;
  static constexpr int kGroups = kWarp / kLanes;
};

// Sums of probability times value, of each group's rows by itself: to [kGroups][kWidth].
template <typename C, int kWidth>
__device__ __forceinline__ void SumPage(const C* values, const float* probabilities, int count,
                                        float* to) {
  using Lanes = ValueLanes<kWidth>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int group = lane / Lanes::kLanes, column = lane % Lanes::kLanes * 8;
  if (group >= Lanes::kGroups) return;  // d_head 80 and 96 leave some lanes over
  float sums[8] = {};
#pragma unroll 4
  for (int row = group; row < count; row += Lanes::kGroups) {
    float part[8];
    CacheToFloats(values + row * kWidth + column, part);
#pragma unroll
    for (int j = 0; j < 8; ++j) sums[j] = fmaf(probabilities[row], part[j], sums[j]);
  }
  Store<Access::kVectors>(to + group * kWidth + column, 8, sums);
}

// The sums of a split: of all columns in shared memory, and what belongs to them.
struct SplitSums {
  float max;
  float total;
};

// Puts a row's splits together, in their order, and stores the head's part of the row.
template <typename T, int kWidth>
__device__ __forceinline__ void CombineSplits(const DecodeAttentionArgs& args, int splits,
                                              int own_splits, T* y) {
  const auto statistics = [&](int split) {
    // Past the first-level cache, which other blocks' writes do not reach.
    const float* at = PartialOf(args, splits, split, kWidth).statistics;
    return SplitSums{__ldcg(at), __ldcg(at + 1)};
  };
  float largest = -INFINITY;
  for (int split = 0; split < own_splits; ++split) largest = fmaxf(largest, statistics(split).max);
  for (int column = static_cast<int>(threadIdx.x); column < args.cache.d_head; column += kThreads) {
    float sum = 0.0f, total = 0.0f;
    for (int split = 0; split < own_splits; ++split) {
      const SplitSums one = statistics(split);
      const float factor = exp2f(one.max - largest);
      sum = fmaf(factor, __ldcg(PartialOf(args, splits, split, kWidth).values + column), sum);
      total = fmaf(factor, one.total, total);
    }
    y[column] = FromFloat<T>(sum / total);
  }
}

template <typename T, typename C, int kWidth>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm<kWidth>)
    DecodeKernel(DecodeAttentionArgs args, float scale) {
  constexpr int kGroups = ValueLanes<kWidth>::kGroups;
  using SumsOfWarps = float[kWarps][kGroups][kWidth];
  LOCKSTEP_SHARED(float[kWidth], query_row);
  LOCKSTEP_SHARED(float[kWarps][kWarp], probabilities);
  LOCKSTEP_SHARED(SumsOfWarps, sums);
  LOCKSTEP_SHARED(float[kWarps], largest);
  LOCKSTEP_SHARED(float[kWarps], totals);
  LOCKSTEP_SHARED(unsigned[1], ticket);
  LetNextKernelBegin();
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  const std::int64_t head = blockIdx.y, heads = args.cache.local_heads;
  const Query query = FindQuery(args, blockIdx.x);
  const int first = static_cast<int>(blockIdx.z) * kSplitPositions;
  const int page_first = first + warp * kPageTokens;
  const int count = query.row < 0 ? 0 : max(0, min(query.position + 1 - page_first, kPageTokens));
  const C* cached = static_cast<const C*>(args.cache.pages);
  const std::int64_t page = count > 0 ? query.pages[page_first / kPageTokens] : 0;
  const C* keys = cached + PageOffset<C>(page, CachePart::kKey, head, heads, kWidth);
  const C* values = cached + PageOffset<C>(page, CachePart::kValue, head, heads, kWidth);
  // All but the last position have been there for steps.
  for (int i = lane * kPrefetched<C>; i < count * kWidth; i += kWarp * kPrefetched<C>) {
    Prefetch(keys + i);
    Prefetch(values + i);
  }
  AwaitPriorKernels();
  if (query.row < 0 || first > query.position) return;  // all threads
  const T* q = static_cast<const T*>(args.q) + (query.row * heads + head) * kWidth;
  for (int i = thread; i < kWidth; i += kThreads) query_row[i] = ToFloat(q[i]) * scale;
  __syncthreads();

  float scores[2];
  ScorePage<C, kWidth>(keys, query_row, count, scores);
  const float page_max = WarpMax(fmaxf(scores[0], scores[1]));
  // A page that the row does not reach: all is zero, and no difference of infinities is taken.
  const float from = count > 0 ? page_max : 0.0f;
  const float p[2] = {exp2f(scores[0] - from), exp2f(scores[1] - from)};
  // As the stored values are to be multiplied: with their scales. What was never written has none.
#pragma unroll
  for (int pass = 0; pass < 2 && lane % 2 == 0; ++pass) {
    const int key = pass * (kWarp / 2) + lane / 2;
    probabilities[warp][key] = key < count ? Scaled(p[pass], values, kWidth, key) : 0.0f;
  }
  const float page_sum = WarpSum(lane % 2 == 0 ? p[0] + p[1] : 0.0f);
  if (lane == 0) {
    largest[warp] = page_max;
    totals[warp] = page_sum;
  }
  __syncwarp();
  SumPage<C, kWidth>(values, probabilities[warp], count, &sums[warp][0][0]);
  __syncthreads();

  // The first page of a split always has positions, so the maximum is finite.
  const float split_max = fmaxf(fmaxf(largest[0], largest[1]), fmaxf(largest[2], largest[3]));
  float factors[kWarps];
#pragma unroll
  for (int i = 0; i < kWarps; ++i) factors[i] = exp2f(largest[i] - split_max);
  float total = 0.0f;
#pragma unroll
  for (int i = 0; i < kWarps; ++i) total = fmaf(factors[i], totals[i], total);
  const int own_splits = query.position / kSplitPositions + 1;
  const int splits = static_cast<int>(gridDim.z);
  const Partial partial = PartialOf(args, splits, static_cast<int>(blockIdx.z), kWidth);
  T* y = static_cast<T*>(args.y) + (query.row * heads + head) * args.cache.d_head;
  for (int column = thread; column < kWidth; column += kThreads) {
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < kWarps; ++i) {
      float page_part = 0.0f;
#pragma unroll
      for (int group = 0; group < kGroups; ++group) page_part += sums[i][group][column];
      sum = fmaf(factors[i], page_part, sum);
    }
    if (own_splits > 1)
      partial.values[column] = sum;
    else if (column < args.cache.d_head)
      y[column] = FromFloat<T>(sum / total);
  }
  if (own_splits == 1) return;  // all threads
  if (thread == 0) {
    partial.statistics[0] = split_max;
    partial.statistics[1] = total;
  }
  unsigned* arrived =
      args.arrived + static_cast<std::int64_t>(blockIdx.x) * heads + static_cast<int>(blockIdx.y);
  if (IsLastBlock(own_splits, arrived, ticket))
    CombineSplits<T, kWidth>(args, splits, own_splits, y);
}

std::int64_t SplitsFor(std::int64_t positions) {
  return (positions + kSplitPositions - 1) / kSplitPositions;
}

}  // namespace

std::int64_t DecodePartialElements(const Cache& cache, std::int64_t row_count,
                                   std::int64_t max_positions) {
  return row_count * cache.local_heads * SplitsFor(max_positions) * (HeadWidth(cache.d_head) + 2);
}

void DecodeAttention(const DecodeAttentionArgs& args, cudaStream_t stream) {
  const auto rows = static_cast<unsigned>(args.row_count);
  const auto heads = static_cast<unsigned>(args.cache.local_heads);
  const auto splits = static_cast<unsigned>(SplitsFor(args.max_positions));
  const LaunchShape shape{dim3(rows, heads, splits), dim3(kThreads), stream};
  ForCacheType(args.type, args.cache.format, "DecodeAttention", [&](auto type, auto cache_type) {
    using T = decltype(type);
    ForHeadWidth(args.cache.d_head, [&](auto width) {
      Launch("DecodeAttention", shape, DecodeKernel<T, decltype(cache_type), width()>, args,
             ScoreScale(args.cache, args.score_factor));
    });
  });
}

}  // namespace lockstep::cuda
