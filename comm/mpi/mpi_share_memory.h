#pragma once

#include <memory>

#include "comm/mpi/mpi_communicator.h"
#include "comm/world.h"

namespace lockstep {

// The world, or a part of it, with the memory of each host shared, as its shared_memory() demands;
// as it is where that cannot or shall not be. Collective. Throws JoinError: see JoinWorld().
std::unique_ptr<Communicator> ShareMemory(std::unique_ptr<MpiCommunicator> world);

}  // namespace lockstep
