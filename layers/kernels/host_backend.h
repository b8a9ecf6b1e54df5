#pragma once

#include <cstring>
#include <limits>
#include <utility>

#include "layers/kernels/backend.h"

namespace lockstep {

// What backends whose memory is the host's have in common.
class HostBackend : public Backend {
 public:
  Tensor Allocate(DType dtype, Shape shape) override { return Tensor::OnHost(dtype, shape); }
  void Upload(const TensorView& host, const TensorView& device) override { Copy(host, device); }
  void Download(const TensorView& device, const TensorView& host) override { Copy(device, host); }
  void Copy(const TensorView& from, const TensorView& to) override {
    LOCKSTEP_CHECK(from.dtype() == to.dtype() && from.elements() == to.elements(), "{} to {}",
                   from.shape().ToString(), to.shape().ToString());
    if (from.bytes() != 0) std::memcpy(to.raw(), from.raw(), from.bytes());
  }

  std::vector<float> TakeLogits(const TensorView& logits,
                                std::span<const LogitPlace> places) override {
    std::vector<float> taken;
    for (const LogitPlace& place : places)
      taken.push_back(std::exchange(logits.data<float>()[place.row * logits.dim(1) + place.column],
                                    -std::numeric_limits<float>::infinity()));
    return taken;
  }
};

}  // namespace lockstep
