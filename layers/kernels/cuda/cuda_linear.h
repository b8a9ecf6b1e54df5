#pragma once

#include <cublas_v2.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/cuda/kernels/sum_order.h"
#include "layers/kernels/cuda/products/leaf_scratch.h"
#include "layers/kernels/ops.h"

namespace lockstep::cuda {

// cuBLAS on a stream, with a workspace of its own: what cuBLAS would allocate by itself could not
// be captured into a graph.
class Cublas {
 public:
  explicit Cublas(CudaStream& stream);
  ~Cublas();
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  cublasHandle_t handle() const { return handle_; }

 private:
  cublasHandle_t handle_ = nullptr;
  Tensor workspace_;
};

// What products are made with on one stream.
class LinearLane {
 public:
  explicit LinearLane(CudaStream& stream) : stream_(stream) {}

  CudaStream& stream() { return stream_; }
  // Made when it is first asked for: its workspace is large, and few rows do without.
  Cublas& cublas() {
    if (cublas_ == nullptr) cublas_ = std::make_unique<Cublas>(stream_);
    return *cublas_;
  }
  Scratch& dequantised() { return dequantised_; }
  LeafScratch& leaf_scratch() { return leaf_scratch_; }

 private:
  CudaStream& stream_;
  std::unique_ptr<Cublas> cublas_;
  Scratch dequantised_;
  LeafScratch leaf_scratch_;
};

// Weights of bf16 or fp16; or of 8 bits with a scale for each output and group of inputs. Inputs
// are of the weights' type, with 8 bits bf16; sums are fp32. By SumOrder::kFixed one kernel
// multiplies all (products/leaf_product.h), else kernels for few rows (one_row.cu, few_rows.cu),
// and cuBLAS for more, for which 8 bits are widened first.
class CudaLinear final : public LinearWeight {
 public:
  // Sends the weight to the device: `stage` copies host bytes to memory of the device.
  using Stage = std::function<void(const TensorView& host, const TensorView& device)>;
  CudaLinear(const LinearSource& source, SumOrder order, const Stage& stage);

  std::int64_t outputs() const override { return outputs_; }
  std::int64_t inputs() const override { return parts_.front().inputs; }
  DType activation_dtype() const override { return activations_; }

  void Run(const LinearArgs& args, LinearLane& lane) const;

 private:
  struct Part {
    std::int64_t inputs = 0;
    Tensor values;              // [outputs, inputs] bf16, fp16, or of 8 bits, four in an int32
    Tensor scales;              // [outputs, groups] fp32; empty: not of 8 bits
    std::vector<Range> leaves;  // of the inputs; one unless the order is fixed
    std::vector<std::int64_t> first_group;  // of each leaf
  };
  enum class Sum { kBegin, kGoOn };

  const float* bias() const { return bias_.empty() ? nullptr : bias_.view().data<float>(); }
  Part MakePart(const LinearPart& source, WeightFormat format, const Stage& stage) const;
  void RunByLeaves(const LinearArgs& args, LinearLane& lane) const;
  void RunFewRows(const LinearArgs& args, LinearLane& lane) const;
  void Multiply(const Part& part, const TensorView& x, const TensorView& y, Sum sum,
                LinearLane& lane) const;

  std::int64_t outputs_;
  DType activations_;
  SumOrder order_;
  std::vector<Part> parts_;
  Tensor bias_;  // [outputs] fp32, or empty
};

}  // namespace lockstep::cuda
