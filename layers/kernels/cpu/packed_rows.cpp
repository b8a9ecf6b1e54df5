#include "layers/kernels/cpu/packed_rows.h"

#include <algorithm>
#include <cstring>

namespace lockstep::cpu {

void PackedRows::Pack(const std::array<TensorView, 2>& x, const InnerLayout& layout,
                      const Kernels& kernels, ThreadPool& pool) {
  tokens_ = x[0].dim(0);
  blocks_ = (tokens_ + kBlockRows - 1) / kBlockRows;
  block_rows_ = (tokens_ + blocks_ - 1) / blocks_;
  block_stride_ = layout.tiles * block_rows_ * kLineBytes;
  scale_stride_ = layout.quant_blocks * block_rows_;
  constexpr std::int64_t kWord = 4;
  const std::int64_t words = blocks_ * block_stride_ / kWord;
  if (memory_.empty() || memory_.view().elements() < words)
    memory_ = Tensor::OnHost(DType::kI32, {words});
  const auto scales = static_cast<std::size_t>(blocks_ * scale_stride_);
  if (scales_.size() < scales) {
    scales_.resize(scales);
    sums_.resize(scales);
  }
  pool.ParallelForPieces(blocks_ * block_rows_, kBlockRows,
                         [&](std::int64_t begin, std::int64_t end) {
                           for (std::int64_t row = begin; row < end; ++row) {
                             if (row < tokens_) {
                               PackRowOf(x, layout, kernels, row);
                             } else {
                               ClearRow(row, layout);
                             }
                           }
                         });
}

void PackedRows::PackRowOf(const std::array<TensorView, 2>& x, const InnerLayout& layout,
                           const Kernels& kernels, std::int64_t row) {
  const std::int64_t block = row / block_rows_, in_block = row % block_rows_;
  for (const std::vector<Segment>& leaf : layout.leaves)
    for (const Segment& segment : leaf) {
      const TensorView& part = x[static_cast<std::size_t>(segment.part)];
      PackRow one{
          .x = part.data<float>() + row * part.dim(1) + segment.inputs.begin,
          .count = segment.inputs.size(),
          .out = const_cast<std::byte*>(Tiles(block, segment.first_tile)) + in_block * kLineBytes,
          .stride = block_rows_ * kLineBytes};
      switch (layout.format) {
        case WeightFormat::kF32: kernels.pack_f32(one); break;
        case WeightFormat::kBF16: kernels.pack_bf16(one); break;
        case WeightFormat::kInt8:
        case WeightFormat::kInt4:
          one.quant_tiles = layout.quant_tiles;
          one.scales = const_cast<float*>(Scales(block, segment.first_quant)) + in_block;
          one.sums = const_cast<std::int32_t*>(Sums(block, segment.first_quant)) + in_block;
          one.scale_stride = block_rows_;
          kernels.pack_int8(one);
          break;
        case WeightFormat::kF16:
        case WeightFormat::kF8: break;  // there is no such weight
      }
    }
}

void PackedRows::ClearRow(std::int64_t row, const InnerLayout& layout) {
  const std::int64_t block = row / block_rows_, in_block = row % block_rows_;
  for (std::int64_t tile = 0; tile < layout.tiles; ++tile)
    std::memset(const_cast<std::byte*>(Tiles(block, tile)) + in_block * kLineBytes, 0, kLineBytes);
  for (std::int64_t quant = 0; quant < layout.quant_blocks; ++quant) {
    const_cast<float*>(Scales(block, quant))[in_block] = 0.0f;
    const_cast<std::int32_t*>(Sums(block, quant))[in_block] = 0;
  }
}

}  // namespace lockstep::cpu
