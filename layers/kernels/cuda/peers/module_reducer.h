#pragma once

#include <memory>

#include "comm/control_plane.h"
#include "comm/reducer.h"
#include "layers/kernels/device_module.h"

namespace lockstep::cuda {

// DeviceModule::MakeReducer(): nothing to add up for one rank; for several their memory and NCCL,
// or NCCL alone.
std::unique_ptr<Reducer> MakeReducer(ControlPlane& group, const Backend& backend,
                                     const ModuleHost& host);

}  // namespace lockstep::cuda
