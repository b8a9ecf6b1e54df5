#include "layers/kernels/cuda/attention/prefill_attention.h"

#include "layers/kernels/cuda/attention/head_width.h"

namespace lockstep::cuda {

void PrefillAttention(const PrefillAttentionArgs& args, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(args.cache.local_heads),
                  static_cast<unsigned>(args.tile_count));
  ForCacheType(args.type, args.cache.format, "PrefillAttention", [&](auto type, auto cache_type) {
    ForHeadWidth(args.cache.d_head, [&](auto width) {
      using Tiling = PrefillTiling<width()>;
      Launch("PrefillAttention",
             {.grid = grid,
              .block = dim3(Tiling::kThreads),
              .stream = stream,
              .shared_bytes = Tiling::kSharedBytes},
             PrefillKernel<decltype(type), decltype(cache_type), width()>, args,
             ScoreScale(args.cache, args.score_factor));
    });
  });
}

}  // namespace lockstep::cuda
