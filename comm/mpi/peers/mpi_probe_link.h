#pragma once

#include <memory>

#include "comm/mpi/mpi_ranks.h"
#include "comm/peers/peer_probe.h"

namespace lockstep {

// The probe of a process that MPI has been started in, whose words travel as messages of MPI's
// world. The thread that owns MPI makes and uses it, and MPI outlives it.
std::shared_ptr<PeerProbe> ProbeOverMpi(const MpiRanks& world);
// The one that has been made, as long as its world lives.
std::shared_ptr<PeerProbe> ProcessProbe();

}  // namespace lockstep
