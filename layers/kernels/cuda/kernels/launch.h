#pragma once

// The one way to launch a kernel. <<<>>> is CUDA's own syntax, which only nvcc reads; a function
// call is C++ that the emulation's compiler reads too.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace lockstep::cuda {

// Throws Error(kEnvironment) "cuda: <what>: <message of the code>" unless the code is success.
void CheckCuda(cudaError_t code, const char* what);

// Throws Error(kInternal) naming the launcher: a shape or type that no kernel was made for.
[[noreturn]] void RefuseArguments(const char* launcher, const char* why);

struct LaunchShape {
  dim3 grid;
  dim3 block;
  cudaStream_t stream = nullptr;
  std::size_t shared_bytes = 0;  // dynamic
};

inline unsigned BlocksFor(std::int64_t items, std::int64_t items_per_block) {
  return static_cast<unsigned>((items + items_per_block - 1) / items_per_block);
}

// Whether the kernels of this library begin before those before them have ended (device.h,
// AwaitPriorKernels): where the device can, and this kernel, which stands for all, was compiled for
// such a device. Asked once.
bool KernelsOverlap(const void* kernel);

// An empty grid is no error here: steps without rows are ordinary.
template <typename... Params, typename... Args>
void Launch(const char* name, const LaunchShape& shape, void (*kernel)(Params...), Args&&... args) {
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
  // What every device grants without asking. Above it a kernel asks each time: it costs less than a
  // microsecond, and none in a graph.
  constexpr std::size_t kGrantedSharedBytes = 48 * 1024;
  if (shape.shared_bytes > kGrantedSharedBytes)
    CheckCuda(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                   cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(shape.shared_bytes)),
              name);
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = shape.stream;
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &overlap;
  config.numAttrs = KernelsOverlap(reinterpret_cast<const void*>(kernel)) ? 1 : 0;
  CheckCuda(cudaLaunchKernelEx(&config, kernel, static_cast<Params>(std::forward<Args>(args))...),
            name);
}

}  // namespace lockstep::cuda
