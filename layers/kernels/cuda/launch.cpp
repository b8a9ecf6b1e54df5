// Host code alone, in a file of its own: nvcc stumbles over the formatting library's headers.
#include "layers/kernels/cuda/launch.h"

#include "core/error.h"

namespace lockstep::cuda {

void CheckCuda(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  throw EnvironmentError("cuda: {}: {}, {}", what, cudaGetErrorName(code),
                         cudaGetErrorString(code));
}

void RefuseArguments(const char* launcher, const char* why) {
  throw Error(ExitCode::kInternal, fmt::format("cuda: {}: {}", launcher, why));
}

}  // namespace lockstep::cuda
