#pragma once

#include <cstddef>
#include <string>

#include "comm/control_plane.h"

namespace lockstep {

// For benchmarks, to compare with: the seconds that one call of MPI's own MPI_Allreduce takes,
// adding `count` floats over all ranks of the world; the mean of `repeats` calls on this rank.
// Collective, in a world that JoinWorld() has joined. Throws EnvironmentError in builds without
// MPI, and outside a world.
double TimeMpiAllReduce(ControlPlane& world, std::size_t count, int repeats);

// What MPI calls itself: "Open MPI v4.1.4, ...". Empty in builds without it. Needs no world.
std::string MpiLibrary();

// Whether ranks can find each other by PMI-2, which `srun --mpi=pmi2` offers. Most builds of Open
// MPI know PMIx alone, and MPI_Init() ends a process that has only the other. True where it cannot
// be told.
bool MpiKnowsPmi2();

}  // namespace lockstep
