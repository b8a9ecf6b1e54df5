#pragma once

#include <cstddef>
#include <cstdint>

#include "layers/kernels/cpu/kernels.h"
#include "layers/kernels/ops.h"

namespace lockstep::cpu {

constexpr std::int64_t kMostWidth = 512;
constexpr std::int64_t kMostPageTokens = 32;

// Where keys and values lie in one page of one head: as tiles, so that scores and results are
// products like all others (kernels.h). A page's positions are a multiple of 32.
//   keys    panels of 16 positions, the inner dimension is d_head
//   values  panels of 16 dims, the inner dimension is the page's positions
// int8 keeps the tiles of bf16 with one byte in place of each two, and behind them one fp32 scale
// for each position: a byte times its position's scale is the number.
class CacheLayout {
 public:
  explicit CacheLayout(const KvPages& cache)
      : element_bytes_(static_cast<std::int64_t>(SizeOf(cache.pages.dtype()))),
        line_inputs_(element_bytes_ == 4 ? 1 : 2),
        width_(cache.pages.dim(3) - ScaleElements(cache.pages.dtype())),
        part_bytes_(cache.page_tokens * cache.pages.dim(3) * element_bytes_),
        page_tokens_(cache.page_tokens),
        local_heads_(cache.local_heads),
        base_(static_cast<std::byte*>(cache.pages.raw())) {
    LOCKSTEP_CHECK(page_tokens_ % 32 == 0 && width_ % 32 == 0, "pages of {} tokens, width {}",
                   page_tokens_, width_);
  }

  // Elements stored for a head's key or value: whole tiles of every dtype, and a scale.
  static std::int64_t Width(std::int64_t d_head, DType dtype) {
    return (d_head + 31) / 32 * 32 + ScaleElements(dtype);
  }

  // Of one head's keys or values in one page, with their scales.
  std::int64_t part_bytes() const { return part_bytes_; }
  std::int64_t width() const { return width_; }
  std::int64_t element_bytes() const { return element_bytes_; }
  std::int64_t line_inputs() const { return line_inputs_; }
  std::int64_t part_elements() const { return page_tokens_ * width_; }
  std::int64_t line_bytes() const { return kPanelOutputs * line_inputs_ * element_bytes_; }
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

  // int8: of the positions of a part.
  float* Scales(std::byte* part) const { return reinterpret_cast<float*>(part + part_elements()); }

  // Byte offsets of one element within Keys() and Values().
  std::int64_t KeyOffset(std::int64_t slot, std::int64_t dim) const {
    return Offset(slot, dim, key_tiles());
  }
  std::int64_t ValueOffset(std::int64_t slot, std::int64_t dim) const {
    return Offset(dim, slot, value_tiles());
  }

 private:
  static std::int64_t ScaleElements(DType dtype) {
    return dtype == DType::kI8 ? static_cast<std::int64_t>(sizeof(float)) : 0;
  }
  std::int64_t Offset(std::int64_t output, std::int64_t input, std::int64_t tiles) const {
    return (output / kPanelOutputs * tiles * kTileLines + input / line_inputs_) * line_bytes() +
           (output % kPanelOutputs * line_inputs_ + input % line_inputs_) * element_bytes_;
  }

  std::int64_t element_bytes_;
  std::int64_t line_inputs_;  // inputs whose weights for one output stand side by side
  std::int64_t width_;
  std::int64_t part_bytes_;
  std::int64_t page_tokens_;
  std::int64_t local_heads_;
  std::byte* base_;
};

}  // namespace lockstep::cpu
