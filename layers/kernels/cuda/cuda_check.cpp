#include "layers/kernels/cuda/cuda_check.h"

#include <string>

#include "core/error.h"

namespace lockstep::cuda {
namespace {

std::string DeviceName() {
  int device = 0;
  cudaDeviceProp properties{};
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaGetDeviceProperties(&properties, device) != cudaSuccess)
    return "no device";
  return fmt::format("device {} ({})", device, properties.name);
}

const char* Remedy(cudaError_t code) {
  switch (code) {
    case cudaErrorInsufficientDriver:
      return "there is no NVIDIA driver, or one older than this CUDA needs";
    case cudaErrorNoDevice:
      return "no GPU is visible: see nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu";
    case cudaErrorNoKernelImageForDevice:
      return "this GPU is of an architecture that lockstep was not built for: build it with "
             "-DLOCKSTEP_CUDA_ARCHITECTURES naming it";
    case cudaErrorDevicesUnavailable:
      return "another process has the GPU for itself: see nvidia-smi";
    case cudaErrorECCUncorrectable: return "the GPU's memory is broken: see nvidia-smi -q";
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorMisalignedAddress:
      return "a defect of ours: please report it, with what compute-sanitizer says";
    default: return "see nvidia-smi and the kernel's log (dmesg)";
  }
}

}  // namespace

void Check(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  const std::string device = DeviceName();
  throw EnvironmentError("cuda: {} on {}: {} ({}); {}", call, device, cudaGetErrorString(code),
                         cudaGetErrorName(code), Remedy(code));
}

void Check(cublasStatus_t code, const char* call) {
  if (code == CUBLAS_STATUS_SUCCESS) return;
  throw EnvironmentError(
      "cuda: {} on {}: {}; if memory was short, a smaller engine.cache_tokens leaves more", call,
      DeviceName(), cublasGetStatusString(code));
}

void CheckMemory(cudaError_t code, const char* call, std::size_t bytes) {
  if (code != cudaErrorMemoryAllocation) return Check(code, call);
  cudaGetLastError();  // not sticky: the device goes on
  std::size_t free_bytes = 0, total_bytes = 0;
  cudaMemGetInfo(&free_bytes, &total_bytes);
  throw EnvironmentError(
      "cuda: {} on {}: out of memory: {:.1f} MiB were asked for, {:.1f} of {:.1f} MiB are free; "
      "use "
      "more ranks (--tp), --dtype int8, or a smaller engine.cache_tokens",
      call, DeviceName(), static_cast<double>(bytes) / 1048576.0,
      static_cast<double>(free_bytes) / 1048576.0, static_cast<double>(total_bytes) / 1048576.0);
}

}  // namespace lockstep::cuda
