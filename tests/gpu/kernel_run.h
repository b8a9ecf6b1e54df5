#pragma once

// How the tests of the CUDA kernels run here: on a GPU, in whatever order it chooses.
// tests/unit/cuda_kernels/emulated/kernel_run.h has the same names for the emulation.

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <array>

namespace lockstep::cuda {

struct KernelOrder {
  const char* name;
};
inline constexpr std::array kKernelOrders = {KernelOrder{"gpu"}};

// For the time of a test. A kernel that failed fails everything after it.
class KernelRun {
 public:
  explicit KernelRun(const KernelOrder& /*order*/) {}
  ~KernelRun() { EXPECT_STREQ(cudaGetErrorName(cudaDeviceSynchronize()), "cudaSuccess"); }
  KernelRun(const KernelRun&) = delete;
  KernelRun& operator=(const KernelRun&) = delete;
};

}  // namespace lockstep::cuda
