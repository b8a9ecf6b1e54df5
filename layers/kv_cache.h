#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "layers/kernels/device.h"
#include "layers/kernels/ops.h"
#include "layers/page_copy.h"
#include "partition/model/model_spec.h"

namespace lockstep {

// Keys and values of this rank's heads, for all layers, in pages of kPageTokens positions. A
// sequence owns pages through its page table; the cache itself knows no sequences.
class KvCache {
 public:
  static constexpr std::int64_t kPageTokens = 32;

  struct Options {
    std::int64_t layer_count = 0;
    std::int64_t local_heads = 0;
    std::int64_t d_head = 0;
    std::int64_t page_count = 0;
    std::int64_t width = 0;  // Ops::CacheWidth(d_head, dtype)
    DType dtype = DType::kF32;
  };

  KvCache() = default;
  KvCache(const Options& options, Device& device);

  KvPages layer(std::size_t index) const {
    return {layers_[index].view(), options_.local_heads, kPageTokens, options_.d_head};
  }
  // In the order given, before whatever is enqueued later.
  void Copy(std::span<const PageCopy> copies, Device& device);

  std::int64_t page_count() const { return options_.page_count; }
  std::size_t bytes() const;

  // Bytes of one head's key or value of one token, without what fills up tiles; int8 and fp8 have a
  // scale.
  static std::int64_t BytesPerHead(std::int64_t d_head, DType dtype) {
    const bool scaled = dtype == DType::kI8 || dtype == DType::kF8;
    return d_head * static_cast<std::int64_t>(SizeOf(dtype)) +
           (scaled ? static_cast<std::int64_t>(sizeof(float)) : 0);
  }

  static std::int64_t PagesFor(std::int64_t tokens) {
    return (tokens + kPageTokens - 1) / kPageTokens;
  }

 private:
  Options options_;
  std::vector<Tensor> layers_;
};

}  // namespace lockstep
