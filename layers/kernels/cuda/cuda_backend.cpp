#include "layers/kernels/cuda/cuda_backend.h"

#include <utility>

#include "layers/kernels/cuda/cuda_device.h"
#include "layers/kernels/cuda/cuda_ops.h"
#include "layers/kernels/cuda/steps/cuda_step_runner.h"

namespace lockstep::cuda {

Backend MakeBackend(int device, const BackendSettings& settings) {
  // What the fixed order costs has not been measured on a device, so nobody has it without asking.
  const SumOrder order =
      settings.batch_invariant == BatchInvariance::kOn ? SumOrder::kFixed : SumOrder::kQuickest;
  auto cuda_device = std::make_unique<CudaDevice>(device);
  auto ops = std::make_unique<CudaOps>(*cuda_device, order);
  auto steps = std::make_unique<CudaStepRunner>(*cuda_device, *ops, settings.graphs);
  return {std::move(cuda_device), std::move(ops), std::move(steps)};
}

CudaDevice& DeviceOf(const Backend& backend) { return static_cast<CudaDevice&>(*backend.device); }
CudaOps& OpsOf(const Backend& backend) { return static_cast<CudaOps&>(*backend.ops); }
CudaStepRunner& StepsOf(const Backend& backend) {
  return static_cast<CudaStepRunner&>(*backend.steps);
}

}  // namespace lockstep::cuda
