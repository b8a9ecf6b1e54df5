#pragma once

#include "core/thread_pool.h"
#include "layers/kernels/backend.h"
#include "layers/kernels/cpu/kernels.h"

namespace lockstep::cpu {

class CpuLinear final : public LinearWeight {
 public:
  // weight [outputs, inputs] fp32 or bf16; bias [outputs] fp32 or empty.
  CpuLinear(Tensor weight, Tensor bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}

  std::int64_t outputs() const override { return weight_.view().dim(0); }
  std::int64_t inputs() const override { return weight_.view().dim(1); }

  // y = activation(x W^T + bias), divided over the pool's threads by outputs.
  void Run(const LinearArgs& args, const Kernels& kernels, ThreadPool& pool) const;

 private:
  struct Block;
  void RunBlock(const LinearArgs& args, const float* x, const Kernels& kernels,
                Range outputs) const;
  void Finish(const LinearArgs& args, const Block& block, Range outputs) const;

  Tensor weight_;
  Tensor bias_;
};

}  // namespace lockstep::cpu
