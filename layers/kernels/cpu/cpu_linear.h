#pragma once

#include "core/threads/thread_pool.h"
#include "layers/kernels/cpu/packed_rows.h"
#include "layers/kernels/cpu/packed_weight.h"
#include "layers/kernels/ops.h"

namespace lockstep::cpu {

class CpuLinear final : public LinearWeight {
 public:
  CpuLinear(const LinearSource& source, const Kernels& kernels, ThreadPool& pool);

  std::int64_t outputs() const override { return outputs_; }
  std::int64_t inputs() const override { return inputs_[0]; }
  DType activation_dtype() const override { return DType::kF32; }

  // y = activation(x W^T + bias), divided over the pool's threads by outputs. `rows` is room for
  // the packed rows.
  void Run(const LinearArgs& args, const Kernels& kernels, ThreadPool& pool,
           PackedRows& rows) const;

 private:
  struct Group;  // a few panels that are worked on together

  void RunGroup(const LinearArgs& args, const Kernels& kernels, const PackedRows& rows,
                Range panels) const;
  void MultiplyLeaf(const std::vector<Segment>& leaf, const Kernels& kernels,
                    const PackedRows& rows, const Group& group, float* sums) const;
  void MultiplySegment(const Segment& segment, Start start, const Kernels& kernels,
                       const PackedRows& rows, const Group& group, float* sums) const;
  void FinishGroup(const LinearArgs& args, const Kernels& kernels, const PackedRows& rows,
                   const Group& group, const float* sums) const;

  std::int64_t outputs_;
  std::array<std::int64_t, 2> inputs_{};
  PackedWeight weight_;
  std::vector<float> bias_;  // up to the last panel's end; empty: none
};

}  // namespace lockstep::cpu
