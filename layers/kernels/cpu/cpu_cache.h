#pragma once

#include <cstddef>
#include <cstdint>

#include "layers/kernels/backend.h"
#include "layers/kernels/cpu/kernels.h"

namespace lockstep::cpu {

// Where keys and values lie in one page of one head: as tiles, so that scores and results are
// products like all others (kernels.h). A page's positions are a multiple of 32.
//   keys    panels of 16 positions, the inner dimension is d_head
//   values  panels of 16 dims, the inner dimension is the page's positions
class CacheLayout {
 public:
  explicit CacheLayout(const KvPages& cache)
      : element_bytes_(static_cast<std::int64_t>(SizeOf(cache.pages.dtype()))),
        line_inputs_(4 / element_bytes_),
        width_(cache.pages.dim(3)),
        page_tokens_(cache.page_tokens),
        local_heads_(cache.local_heads),
        base_(static_cast<std::byte*>(cache.pages.raw())) {
    LOCKSTEP_CHECK(page_tokens_ % 32 == 0 && width_ % 32 == 0, "pages of {} tokens, width {}",
                   page_tokens_, width_);
  }

  // Elements of d_head that are stored: whole tiles of every dtype.
  static std::int64_t Width(std::int64_t d_head) { return (d_head + 31) / 32 * 32; }

  std::int64_t part_bytes() const { return page_tokens_ * width_ * element_bytes_; }
  std::int64_t tile_inputs() const { return kTileLines * line_inputs_; }

  std::int64_t key_tiles() const { return width_ / tile_inputs(); }
  std::int64_t key_panels() const { return page_tokens_ / kPanelOutputs; }
  std::int64_t value_tiles() const { return page_tokens_ / tile_inputs(); }
  std::int64_t value_panels() const { return width_ / kPanelOutputs; }

  std::byte* Keys(std::int64_t page, std::int64_t head) const {
    return base_ + ((page * 2) * local_heads_ + head) * part_bytes();
  }
  std::byte* Values(std::int64_t page, std::int64_t head) const {
    return base_ + ((page * 2 + 1) * local_heads_ + head) * part_bytes();
  }

  // Byte offset within Values() of one element.
  std::int64_t ValueOffset(std::int64_t slot, std::int64_t dim) const {
    return dim / kPanelOutputs * value_tiles() * kTileBytes + slot / line_inputs_ * kLineBytes +
           dim % kPanelOutputs * 4 + slot % line_inputs_ * element_bytes_;
  }

 private:
  std::int64_t element_bytes_;
  std::int64_t line_inputs_;  // inputs whose weights for one output stand side by side
  std::int64_t width_;
  std::int64_t page_tokens_;
  std::int64_t local_heads_;
  std::byte* base_;
};

}  // namespace lockstep::cpu
