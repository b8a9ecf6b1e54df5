#pragma once

#include <vector>

#include "core/threads/thread_pool.h"
#include "layers/kernels/cpu/kernels.h"
#include "layers/kernels/ops.h"

namespace lockstep::cpu {

// A run of neighbouring inputs of one part within one leaf. It starts on a tile of its own, and
// what fills up its last tile is zero.
struct Segment {
  int part = 0;
  Range inputs;                 // of the part
  std::int64_t first_tile = 0;  // in the order of the sum, over all segments
  std::int64_t tiles = 0;
  std::int64_t first_quant = 0;  // its first quantisation block, likewise
};

// How the inner dimension of a product is cut up: the same for the weights and for the rows.
struct InnerLayout {
  InnerLayout(WeightFormat format, std::span<const LinearPart> parts);

  WeightFormat format;
  std::vector<std::vector<Segment>> leaves;
  std::int64_t tiles = 0;
  std::int64_t quant_blocks = 0;
  std::int64_t tile_inputs = 0;  // elements of one line of rows: 64 bytes of them
  std::int64_t quant_tiles = 0;  // 0: not quantised
};

// The weights as panels of tiles (kernels.h), in the order in which they are summed.
class PackedWeight {
 public:
  // Packs on the pool's threads, each its own share of the panels: they will read it too.
  PackedWeight(const LinearSource& source, const Kernels& kernels, ThreadPool& pool);

  const InnerLayout& layout() const { return layout_; }
  std::int64_t panels() const { return panels_; }
  std::int64_t panel_stride() const { return panel_stride_; }  // bytes
  std::int64_t stored_tile_bytes() const { return stored_tile_bytes_; }
  std::int64_t scale_stride() const { return layout_.quant_blocks * kPanelOutputs; }

  const std::byte* Tiles(std::int64_t panel, std::int64_t tile) const {
    return static_cast<const std::byte*>(tiles_.view().raw()) + panel * panel_stride_ +
           tile * stored_tile_bytes_;
  }
  const std::uint16_t* Scales(std::int64_t panel, std::int64_t quant_block) const {
    return static_cast<const std::uint16_t*>(scales_.view().raw()) + panel * scale_stride() +
           quant_block * kPanelOutputs;
  }

 private:
  void PackPanel(const LinearSource& source, const Kernels& kernels, std::int64_t panel,
                 std::vector<float>& lanes);

  InnerLayout layout_;
  std::int64_t panels_;
  std::int64_t stored_tile_bytes_;
  std::int64_t panel_stride_;
  Tensor tiles_;
  Tensor scales_;  // bf16 [panels][quant blocks][16]
};

}  // namespace lockstep::cpu
