#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <cstddef>

namespace lockstep::cuda {

// Each throws Error(kEnvironment) naming the call, the error, this process's device and what can
// be done about it, unless the call has succeeded:
//   Check(cudaStreamCreate(&stream), "cudaStreamCreate");
void Check(cudaError_t code, const char* call);
void Check(cublasStatus_t code, const char* call);

// The same for memory: says how much was asked for, how much there is, and what takes less.
void CheckMemory(cudaError_t code, const char* call, std::size_t bytes);

}  // namespace lockstep::cuda
