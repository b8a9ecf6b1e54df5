#pragma once

#include <cublas_v2.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/cuda/kernels/sum_order.h"
#include "layers/kernels/cuda/products/leaf_product.h"
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
  Scratch& rounded() { return rounded_; }

 private:
  CudaStream& stream_;
  std::unique_ptr<Cublas> cublas_;
  Scratch dequantised_;
  LeafScratch leaf_scratch_;
  Scratch rounded_;
};

// Rows up to which a product of int8 widens its weights in registers; more are cuBLAS's, for which
// the matrix is widened in memory. An estimate from published rates: widening moves three bytes for
// each weight, which cuBLAS makes up for from 290 (H100) or 400 rows (A100) on, as it multiplies
// twice as fast (docs/dev/cuda_kernels.md). scripts/gpu_check measures both ways.
inline constexpr std::int64_t kMostWidenedRows = 256;

// The most memory that a product of fp8 rounds so many rows in, of all its parts' inputs.
std::size_t RoundedBytes(std::int64_t rows, std::int64_t inputs);

// Weights of bf16 or fp16; or of 8 or 4 bits with a scale for each output and group of inputs, or
// of fp8 with one for each output and leaf. Inputs are of the weights' type, with fewer bits bf16,
// which fp8 rounds once more; sums are fp32. By SumOrder::kFixed, and of 4 bits and fp8 always, one
// kernel multiplies all (products/leaf_product.h); else kernels for few rows (one_row.cu,
// few_rows.cu) and cuBLAS for more.
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
    // [outputs, inputs] bf16, fp16, or of 8 bits, four in an int32; or of 4 bits Int4Block
    Tensor values;
    Tensor scales;  // of int8 [outputs, groups] fp32, of fp8 [leaves, outputs]; else empty
    std::vector<Range> leaves;              // of the inputs
    std::int64_t groups = 0;                // that have a scale, of fp8 in each row
    std::vector<std::int64_t> first_group;  // of each leaf
  };
  enum class Sum { kBegin, kGoOn };

  const float* bias() const { return bias_.empty() ? nullptr : bias_.view().data<float>(); }
  Part MakePart(const TensorView& weight, std::vector<Range> leaves, const Stage& stage) const;
  bool IsByLeaves(std::int64_t rows) const;
  void RunByLeaves(const LinearArgs& args, LinearLane& lane) const;
  void RoundInputs(LeafProductArgs& product, LinearLane& lane) const;
  void RunFewRows(const LinearArgs& args, LinearLane& lane) const;
  void Multiply(const Part& part, const TensorView& x, const TensorView& y, Sum sum,
                LinearLane& lane) const;

  std::int64_t outputs_;
  DType activations_;
  LeafWeights weights_;
  SumOrder order_;
  std::vector<Part> parts_;
  Tensor bias_;  // [outputs] fp32, or empty
};

}  // namespace lockstep::cuda
