// Host code alone, in a file of its own: nvcc stumbles over the formatting library's headers.
#include "layers/kernels/cuda/kernels/launch.h"

#include "core/error.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

void CheckCuda(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  throw EnvironmentError("cuda: {}: {}, {}", what, cudaGetErrorName(code),
                         cudaGetErrorString(code));
}

void RefuseArguments(const char* launcher, const char* why) {
  throw Error(ExitCode::kInternal, fmt::format("cuda: {}: {}", launcher, why));
}

bool KernelsOverlap(const void* kernel) {
  constexpr int kFirstMajor = 9;
  static const bool overlap = [kernel] {
    int device = 0, major = 0;
    cudaFuncAttributes attributes{};
    CheckCuda(cudaGetDevice(&device), "cudaGetDevice");
    CheckCuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
              "cudaDeviceGetAttribute");
    CheckCuda(cudaFuncGetAttributes(&attributes, kernel), "cudaFuncGetAttributes");
    // What it was compiled from, even where the driver has compiled that for a newer device.
    return major >= kFirstMajor && attributes.ptxVersion >= 10 * kFirstMajor;
  }();
  return overlap;
}

std::int64_t HeadWidth(std::int64_t d_head) {
  for (const std::int64_t width : {32, 64, 80, 96, 128, 256})
    if (d_head <= width) return width;
  throw BadInput("cuda: heads of {} dims; attention has kernels for at most 256", d_head);
}

std::int64_t CacheWidth(std::int64_t d_head, CacheFormat format) {
  const bool scaled = format == CacheFormat::kFp8E4M3;
  return HeadWidth(d_head) + (scaled ? static_cast<std::int64_t>(sizeof(float)) : 0);
}

}  // namespace lockstep::cuda
