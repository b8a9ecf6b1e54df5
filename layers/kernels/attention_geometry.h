#pragma once

#include <cmath>

#include "layers/kernels/ops.h"

namespace lockstep {

// Where things lie for one AttentionArgs: the same for every backend in host memory.
struct AttentionGeometry {
  std::int64_t local_heads;
  std::int64_t d_head;
  std::int64_t page_tokens;
  std::int64_t qkv_stride;   // elements from one token to the next
  std::int64_t head_stride;  // elements from one head's q to the next head's
  std::int64_t k_offset;     // elements from a head's q to its k
  std::int64_t v_offset;
  float scale;  // score_factor / sqrt(d_head)

  explicit AttentionGeometry(const AttentionArgs& args)
      : local_heads(args.cache.local_heads),
        d_head(args.cache.d_head),
        page_tokens(args.cache.page_tokens),
        qkv_stride(3 * local_heads * d_head),
        head_stride(args.layout == QkvLayout::kFusedPerHead ? 3 * d_head : d_head),
        k_offset(args.layout == QkvLayout::kFusedPerHead ? d_head : local_heads * d_head),
        v_offset(2 * k_offset),
        scale(args.score_factor / std::sqrt(static_cast<float>(d_head))) {
    LOCKSTEP_CHECK(args.qkv.dim(1) == qkv_stride, "qkv {}", args.qkv.shape().ToString());
    LOCKSTEP_CHECK(args.cache.pages.dim(2) == local_heads * page_tokens, "pages {}",
                   args.cache.pages.shape().ToString());
  }
};

}  // namespace lockstep
