#pragma once

#include <cstdint>

#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/cuda/kernels/kernels.h"
#include "layers/kernels/cuda/steps/cuda_step.h"
#include "layers/kernels/ops.h"

namespace lockstep::cuda {

// Throws BadInput for a type that no kernel reads.
CacheFormat CacheFormatOf(DType cache);

// The CUDA backend's attention: appends keys and values to the cache, then rows of prompts and
// single tokens have a kernel each, or by SumOrder::kFixed the same.
class CudaAttention {
 public:
  // Borrows both: the stream that the kernels go to, and the step's inputs on the device.
  CudaAttention(CudaStream& stream, CudaStep& step, SumOrder order)
      : stream_(stream), step_(step), order_(order) {}

  // Takes all memory that steps need of so many tokens, and of so many rows with one new token.
  void Reserve(const StepSizes& sizes, std::int64_t tokens, std::int64_t rows);

  // See Ops::Attention().
  void Run(const AttentionArgs& args);

 private:
  unsigned* ArrivalCounts(std::int64_t count);
  float* Partial(std::int64_t elements);
  void* AppendKeys(const AttentionArgs& args, const BatchOnDevice& batch, const Cache& cache);

  CudaStream& stream_;
  CudaStep& step_;
  const SumOrder order_;
  Scratch queries_;
  Scratch partial_;
  Scratch arrivals_;
  std::size_t arrivals_bytes_ = 0;
};

}  // namespace lockstep::cuda
