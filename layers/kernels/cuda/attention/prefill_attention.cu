#include "layers/kernels/cuda/attention/prefill_attention.h"

#include <algorithm>

#include "layers/kernels/cuda/attention/head_width.h"

namespace lockstep::cuda {

namespace {

std::int64_t FixedSplitsOf(std::int64_t positions) {
  return (positions + kFixedSplit - 1) / kFixedSplit;
}

// Slots for the splits of each row: one for each split, where a block for each of them helps and
// there is room for what they leave; else one.
std::int64_t FixedSlots(std::int64_t rows, std::int64_t max_positions) {
  const std::int64_t splits = std::max<std::int64_t>(FixedSplitsOf(max_positions), 1);
  return rows * splits <= kMostFixedSplits ? splits : 1;
}

}  // namespace

std::int64_t FixedPartialElements(const Cache& cache, std::int64_t most_rows) {
  return std::max(most_rows, kMostFixedSplits) * cache.local_heads * (HeadWidth(cache.d_head) + 2);
}

void PrefillAttention(const PrefillAttentionArgs& args, cudaStream_t stream) {
  const bool in_splits = args.order == SumOrder::kFixed;
  const dim3 grid(
      static_cast<unsigned>(args.cache.local_heads), static_cast<unsigned>(args.tile_count),
      in_splits ? static_cast<unsigned>(FixedSlots(args.rows, args.max_positions)) : 1u);
  ForCacheType(args.type, args.cache.format, "PrefillAttention", [&](auto type, auto cache_type) {
    ForHeadWidth(args.cache.d_head, [&](auto width) {
      using Tiling = PrefillTiling<width()>;
      using T = decltype(type);
      using C = decltype(cache_type);
      Launch("PrefillAttention",
             {.grid = grid,
              .block = dim3(Tiling::kThreads),
              .stream = stream,
              .shared_bytes = Tiling::kSharedBytes},
             in_splits ? PrefillKernel<T, C, width(), true> : PrefillKernel<T, C, width(), false>,
             args, ScoreScale(args.cache, args.score_factor));
    });
  });
}

}  // namespace lockstep::cuda
