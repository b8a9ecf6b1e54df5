#pragma once
// What the tests' kernels need of the two compilers' differences; the product has its own.

#include <cuda_runtime.h>

#include <cstddef>

#define SHARED(T, name) LOCKSTEP_EMULATED_SHARED(T, name)
#define DYNAMIC_SHARED(T, name) LOCKSTEP_EMULATED_DYNAMIC_SHARED(T, name)

struct LaunchShape {
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
};

template <class... Parameters, class... Arguments>
cudaError_t Launch(const LaunchShape& shape, cudaStream_t stream, void (*kernel)(Parameters...),
                   Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}
