#pragma once

#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

// What a reducer of this module has where it can make a sum over the ranks together with the
// residual and the norms that follow on it (Ops::SumToResidual()).
class ResidualSums {
 public:
  virtual ~ResidualSums() = default;

  // Enqueues x[t] += (sum over ranks of delta[t]) + biases, and norms of it, as one sum of the
  // group: all ranks call it with rows of the same number. delta: fp32. False: it has done nothing,
  // for it does not do that with so many rows, on any rank.
  virtual bool SumToResidual(const ResidualNormArgs& args, cudaStream_t stream) = 0;
};

}  // namespace lockstep::cuda
