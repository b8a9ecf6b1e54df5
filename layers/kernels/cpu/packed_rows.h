#pragma once

#include <array>
#include <vector>

#include "core/threads/thread_pool.h"
#include "layers/kernels/cpu/packed_weight.h"

namespace lockstep::cpu {

// The rows of a product in the form of kernels.h: blocks of up to 16 rows, all of the same size.
// Grown when more rows come and kept.
class PackedRows {
 public:
  // x [tokens, inputs] fp32, one for each part of the layout; tokens >= 1.
  void Pack(const std::array<TensorView, 2>& x, const InnerLayout& layout, const Kernels& kernels,
            ThreadPool& pool);

  std::int64_t tokens() const { return tokens_; }
  std::int64_t blocks() const { return blocks_; }
  std::int64_t block_rows() const { return block_rows_; }
  std::int64_t block_stride() const { return block_stride_; }  // bytes
  std::int64_t scale_stride() const { return scale_stride_; }  // elements, block to block

  const std::byte* Tiles(std::int64_t block, std::int64_t tile) const {
    return Bytes() + block * block_stride_ + tile * block_rows_ * kLineBytes;
  }
  const float* Scales(std::int64_t block, std::int64_t quant_block) const {
    return scales_.data() + block * scale_stride_ + quant_block * block_rows_;
  }
  const std::int32_t* Sums(std::int64_t block, std::int64_t quant_block) const {
    return sums_.data() + block * scale_stride_ + quant_block * block_rows_;
  }

 private:
  std::byte* Bytes() const { return static_cast<std::byte*>(memory_.view().raw()); }
  void PackRowOf(const std::array<TensorView, 2>& x, const InnerLayout& layout,
                 const Kernels& kernels, std::int64_t row);
  void ClearRow(std::int64_t row, const InnerLayout& layout);

  std::int64_t tokens_ = 0;
  std::int64_t blocks_ = 0;
  std::int64_t block_rows_ = 0;
  std::int64_t block_stride_ = 0;
  std::int64_t scale_stride_ = 0;
  Tensor memory_;
  std::vector<float> scales_;
  std::vector<std::int32_t> sums_;
};

}  // namespace lockstep::cpu
