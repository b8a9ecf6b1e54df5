#pragma once

// How the tests of the CUDA kernels run here: emulated, in three orders of threads and blocks. A
// result that depends on the order fails. tests/gpu/kernel_run.h has the same names for a GPU.

#include <gtest/gtest.h>

#include <array>

#include "lockstep_emulation/control.h"

namespace lockstep::cuda {

using cuda_emulation::ThreadOrder;

struct KernelOrder {
  ThreadOrder order;
  const char* name;
};
inline constexpr std::array kKernelOrders = {KernelOrder{ThreadOrder::kForward, "forward"},
                                             KernelOrder{ThreadOrder::kReverse, "reverse"},
                                             KernelOrder{ThreadOrder::kShuffled, "shuffled"}};

// For the time of a test. At its end no kernel may have done what a device would not stand for.
class KernelRun {
 public:
  explicit KernelRun(const KernelOrder& order) : saved_(cuda_emulation::settings()) {
    cuda_emulation::settings().thread_order = order.order;
  }
  ~KernelRun() {
    EXPECT_EQ(cuda_emulation::FaultReport(), "");
    cuda_emulation::ResetFaults();
    cuda_emulation::settings() = saved_;
  }
  KernelRun(const KernelRun&) = delete;
  KernelRun& operator=(const KernelRun&) = delete;

 private:
  cuda_emulation::Settings saved_;
};

}  // namespace lockstep::cuda
