#include "layers/kernels/cuda/peers/module_communicator.h"

#include <utility>

#include "comm/nccl/device_communicator.h"
#include "layers/kernels/cuda/peers/peer_communicator.h"

namespace lockstep::cuda {

std::unique_ptr<Communicator> MakeCommunicator(Communicator& world, Backend& backend,
                                               const ModuleHost& host) {
  SummingDevice device{
      .allocate = [&backend](Shape shape) { return backend.Allocate(DType::kF32, shape); },
      .set_liveness_check =
          [&backend](Backend::Watch watch) { backend.set_liveness_check(std::move(watch)); },
      .activity = host.current_activity,
      .forget_steps = [&backend] { backend.ForgetSteps(); }};
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
