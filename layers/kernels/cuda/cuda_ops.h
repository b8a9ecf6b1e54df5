#pragma once

#include <functional>
#include <vector>

#include "layers/kernels/cuda/cuda_attention.h"
#include "layers/kernels/cuda/cuda_device.h"
#include "layers/kernels/cuda/cuda_linear.h"
#include "layers/kernels/cuda/cuda_row_search.h"
#include "layers/kernels/cuda/side_stream.h"
#include "layers/kernels/cuda/steps/cuda_step.h"
#include "layers/kernels/device_module.h"
#include "layers/kernels/ops.h"

namespace lockstep::cuda {

// The CUDA backend's operations. Borrows the device, whose stream they go to. Throws
// Error(kEnvironment).
class CudaOps final : public Ops {
 public:
  CudaOps(CudaDevice& device, SumOrder order);

  SumOrder sum_order() const { return order_; }

  // The inputs of steps, which operations read.
  CudaStep& inputs() { return step_; }
  // Takes all memory that steps of at most so many rows need; of these, so many that are their
  // sequence's only new token.
  void Reserve(const StepSizes& sizes, const StepRows& most, std::int64_t single_rows);
  // `linear` on a stream beside the device's own, after what is there so far; what comes later
  // waits for both.
  void RunBeside(const std::function<void()>& first, const std::function<void()>& linear);
  // See DeviceModule.
  std::vector<DeviceRate> MeasureRates();

  std::unique_ptr<LinearWeight> MakeLinear(LinearSource source) override;
  std::int64_t CacheWidth(std::int64_t d_head, DType dtype) const override {
    return cuda::CacheWidth(d_head, CacheFormatOf(dtype));
  }
  QkvBias qkv_bias() const override { return QkvBias::kInAttention; }

  void Linear(const LinearArgs& args) override {
    static_cast<const CudaLinear&>(*args.weight).Run(args, *current_lane_);
  }
  void LayerNorm(const LayerNormArgs& args) override;
  void Attention(const AttentionArgs& args) override { attention_.Run(args); }
  void Embed(const EmbeddingArgs& args) override;
  void AddResidualNorm(const ResidualArgs& args) override;
  bool SumToResidual(const ResidualArgs& args, Reducer& sums) override;
  void SelectRows(const TensorView& x, std::span<const std::int64_t> rows,
                  const TensorView& y) override;

  std::vector<RowStatistics> Statistics(const TensorView& logits,
                                        std::span<const std::int64_t> targets,
                                        std::span<const Range> ranges) override {
    return search_.Statistics(logits, targets, ranges);
  }
  std::optional<std::vector<ColumnLogit>> LargestLogits(const TensorView& logits,
                                                        std::int64_t limit,
                                                        std::int64_t count) override {
    return search_.LargestLogits(logits, limit, count);
  }
  std::vector<float> TakeLogits(const TensorView& logits,
                                std::span<const LogitPlace> places) override {
    return search_.TakeLogits(logits, places);
  }
  std::vector<std::vector<ColumnLogit>> FindLeaders(
      const RowSearch& search, std::span<const RaceQuestion> questions) override;
  std::vector<std::vector<double>> SumMasses(const RowSearch& search,
                                             std::span<const MassQuestion> questions,
                                             std::span<const Range> ranges) override {
    return search_.SumMasses(search, questions, ranges);
  }

 private:
  void ReserveProducts(const StepSizes& sizes, std::int64_t rows);

  CudaDevice& device_;
  const SumOrder order_;
  CudaStream& stream_;
  SideStream side_;
  LinearLane lane_;
  LinearLane side_lane_;
  LinearLane* current_lane_ = &lane_;
  CudaStep step_;
  CudaAttention attention_;
  CudaRowSearch search_;
  std::int64_t widened_elements_ = 0;  // the most of a weight of 8 bits
  std::int64_t rounded_inputs_ = 0;    // the most of a product of fp8
  bool has_leaf_products_ = false;     // of weights, whatever the order
};

}  // namespace lockstep::cuda
