// Stands in for NCCL in modules that are built without it.
#include "comm/nccl/device_communicator.h"

namespace lockstep {

std::unique_ptr<Communicator> MakeNcclCommunicator(Communicator& world, SummingDevice /*device*/) {
  throw EnvironmentError(
      "{} ranks with --device cuda: this CUDA module was built without NCCL and knows one rank "
      "only; install libnccl-dev and build it again, or use --tp 1",
      world.size());
}

}  // namespace lockstep
