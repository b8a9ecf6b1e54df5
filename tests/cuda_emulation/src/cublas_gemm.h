#pragma once
// C = alpha op(A) op(B) + beta C for column-major matrices, as cuBLAS defines it.

#include <cublas_v2.h>

#include <cstdint>
#include <string>

namespace lockstep::cuda_emulation {

struct GemmMatrix {
  const void* data = nullptr;
  cudaDataType type = CUDA_R_32F;
  std::int64_t leading_dimension = 0;
  std::int64_t stride = 0;  // between the matrices of a batch, in elements
  bool transposed = false;
};

// Scalars are read when the call is made (host pointers) or when it runs (device pointers).
struct GemmScalars {
  float alpha = 1, beta = 0;
  std::int32_t int_alpha = 1, int_beta = 0;
  const void* device_alpha = nullptr;
  const void* device_beta = nullptr;
};

struct GemmProblem {
  std::int64_t m = 0, n = 0, k = 0, batch = 1;
  GemmMatrix a, b, c;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  GemmScalars scalars;
};

// CUBLAS_STATUS_SUCCESS, or why cuBLAS would refuse the problem.
cublasStatus_t CheckGemm(const GemmProblem& problem, std::string* why);
// A matrix of the problem that is not within one live device allocation, or "".
std::string MatrixOutsideMemory(const GemmProblem& problem);

// Runs it; sums run over k in order, so that a row's bits do not depend on the other rows.
void RunGemm(const GemmProblem& problem);

}  // namespace lockstep::cuda_emulation
