#pragma once

#include <cstring>
#include <limits>
#include <utility>

#include "layers/kernels/backend.h"

namespace lockstep {

// What backends whose memory is the host's, and which compute in the calling thread, have in
// common.

class HostDevice final : public Device {
 public:
  Stream stream() const override { return {}; }
  void Synchronize() override {}  // operations return when they are done

  Tensor Allocate(DType dtype, Shape shape) override { return Tensor::OnHost(dtype, shape); }
  void Upload(const TensorView& host, const TensorView& device) override { Copy(host, device); }
  void Download(const TensorView& device, const TensorView& host) override { Copy(device, host); }
  void Copy(const TensorView& from, const TensorView& to) override {
    LOCKSTEP_CHECK(from.dtype() == to.dtype() && from.elements() == to.elements(), "{} to {}",
                   from.shape().ToString(), to.shape().ToString());
    if (from.bytes() != 0) std::memcpy(to.raw(), from.raw(), from.bytes());
  }
};

class HostOps : public Ops {
 public:
  QkvBias qkv_bias() const override { return QkvBias::kInProduct; }

  void AddResidualNorm(const ResidualArgs& args) override {
    if (args.delta.raw() != nullptr) AddResidual(args);
    for (const NormOf& norm : args.norms)
      if (norm.y.raw() != nullptr)
        LayerNorm({args.x, norm.weight, norm.bias, args.epsilon, norm.y});
  }

  std::vector<float> TakeLogits(const TensorView& logits,
                                std::span<const LogitPlace> places) override {
    std::vector<float> taken;
    for (const LogitPlace& place : places)
      taken.push_back(std::exchange(logits.data<float>()[place.row * logits.dim(1) + place.column],
                                    -std::numeric_limits<float>::infinity()));
    return taken;
  }

 private:
  // x += delta + bias_a + bias_b
  virtual void AddResidual(const ResidualArgs& args) = 0;
};

// Inputs lie where operations read them, and operations are done when they return: there is
// nothing to send, to record or to run at the same time.
class HostStepRunner final : public StepRunner {
 public:
  StepRows Reserve(const StepSizes& sizes) override {
    return {sizes.limits.tokens, sizes.limits.logit_rows};
  }
  StepRows Begin(const StepInputs& inputs) override {
    return {static_cast<std::int64_t>(inputs.ids.size()),
            static_cast<std::int64_t>(inputs.logit_rows.size())};
  }
  void Run(const void* /*caller*/, const std::function<void()>& operations) override {
    operations();
  }
  void RunConcurrently(const std::function<void()>& first,
                       const std::function<void()>& linear) override {
    first();
    linear();
  }
};

inline Backend MakeHostBackend(std::unique_ptr<Ops> ops) {
  return {std::make_unique<HostDevice>(), std::move(ops), std::make_unique<HostStepRunner>()};
}

}  // namespace lockstep
