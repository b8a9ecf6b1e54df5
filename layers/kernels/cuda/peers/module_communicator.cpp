#include "layers/kernels/cuda/peers/module_communicator.h"

#include <utility>

#include "comm/nccl/device_communicator.h"
#include "layers/kernels/cuda/cuda_backend.h"
#include "layers/kernels/cuda/cuda_device.h"
#include "layers/kernels/cuda/peers/peer_communicator.h"
#include "layers/kernels/cuda/steps/cuda_step_runner.h"

namespace lockstep::cuda {

std::unique_ptr<Communicator> MakeCommunicator(Communicator& world, const Backend& backend,
                                               const ModuleHost& host) {
  CudaStream& stream = DeviceOf(backend).cuda_stream();
  CudaStepRunner& steps = StepsOf(backend);
  SummingDevice device{
      .allocate = [](Shape shape) { return DeviceTensor(DType::kF32, shape); },
      .set_liveness_check =
          [&stream](CudaStream::Watch watch) { stream.set_liveness_check(std::move(watch)); },
      .activity = host.current_activity,
      .forget_steps = [&steps] { steps.Forget(); }};
  if (world.size() == 1) return std::make_unique<DeviceCommunicator>(world, std::move(device));
  std::string why_not;
  auto group = PeerGroup::Join(world, PeerElementsAsked(), why_not);
  if (group != nullptr)
    return std::make_unique<PeerCommunicator>(world, std::move(device), std::move(group));
  if (!HasNccl())
    throw EnvironmentError(
        "{} ranks with --device cuda: this CUDA module was built without NCCL, and the ranks "
        "cannot "
        "add through each other's memory: {}; install libnccl-dev and build it again, or use --tp "
        "1",
        world.size(), why_not);
  return MakeNcclCommunicator(world, std::move(device));
}

}  // namespace lockstep::cuda
