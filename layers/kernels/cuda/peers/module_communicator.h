#pragma once

#include <memory>

#include "comm/communicator.h"
#include "layers/kernels/device_module.h"

namespace lockstep::cuda {

// DeviceModule::MakeCommunicator(): nothing to add up for one rank; for several their
// memory and NCCL, or NCCL alone.
std::unique_ptr<Communicator> MakeCommunicator(Communicator& world, const Backend& backend,
                                               const ModuleHost& host);

}  // namespace lockstep::cuda
