#include "layers/kv_cache.h"

namespace lockstep {

KvCache::KvCache(const Options& options, Device& device) : options_(options) {
  const Shape shape{options.page_count, 2, options.local_heads * kPageTokens, options.width};
  for (std::int64_t layer = 0; layer < options.layer_count; ++layer)
    layers_.push_back(device.Allocate(options.dtype, shape));
}

void KvCache::Copy(std::span<const PageCopy> copies, Device& device) {
  for (const PageCopy& copy : copies)
    for (const Tensor& layer : layers_)
      device.Copy(layer.view().Rows(copy.from, 1), layer.view().Rows(copy.to, 1));
}

std::size_t KvCache::bytes() const {
  std::size_t sum = 0;
  for (const Tensor& layer : layers_) sum += layer.view().bytes();
  return sum;
}

}  // namespace lockstep
