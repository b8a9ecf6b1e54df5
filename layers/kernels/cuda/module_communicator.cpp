#include "layers/kernels/cuda/module_communicator.h"

#include <utility>

#include "comm/nccl/device_communicator.h"

namespace lockstep::cuda {

std::unique_ptr<Communicator> MakeCommunicator(Communicator& world, Backend& backend,
                                               const ModuleHost& host) {
  SummingDevice device{
      .allocate = [&backend](Shape shape) { return backend.Allocate(DType::kF32, shape); },
      .set_watch = [&backend](Backend::Watch watch) { backend.set_watch(std::move(watch)); },
      .activity = host.current_activity};
  if (world.size() == 1) return std::make_unique<DeviceCommunicator>(world, std::move(device));
  return MakeNcclCommunicator(world, std::move(device));
}

}  // namespace lockstep::cuda
