// Stands in for MPI in builds without it.
#include "comm/messenger.h"
#include "comm/mpi/mpi_probe.h"
#include "comm/world.h"

namespace lockstep {

bool BuiltWithMpi() { return false; }

std::unique_ptr<Communicator> JoinWorld(const WorldOptions& /*options*/) {
  throw EnvironmentError(
      "this lockstep was built without MPI and cannot be one rank of several; install "
      "libopenmpi-dev and build it with -DLOCKSTEP_MPI=ON, or run it without mpirun");
}

std::unique_ptr<Messenger> OpenMessenger(ControlPlane& /*world*/) {
  throw EnvironmentError("groups of ranks: this lockstep was built without MPI");
}

std::string MpiLibrary() { return ""; }

bool MpiKnowsPmi2() { return true; }

double TimeMpiAllReduce(ControlPlane& /*world*/, std::size_t /*count*/, int /*repeats*/) {
  throw EnvironmentError("MPI's all-reduce: this lockstep was built without MPI");
}

}  // namespace lockstep
