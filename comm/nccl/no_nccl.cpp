// Stands in for NCCL in modules that are built without it.
#include "comm/nccl/device_reducer.h"

namespace lockstep {

bool HasNccl() { return false; }

std::unique_ptr<DeviceReducer> MakeNcclReducer(ControlPlane& group, SummingDevice /*device*/) {
  throw EnvironmentError(
      "{} ranks with --device cuda: this CUDA module was built without NCCL, and can only add "
      "through the memory of up to 8 GPUs of one host that read each other's; install libnccl-dev "
      "and build it again, or use --tp 1",
      group.size());
}

}  // namespace lockstep
