#pragma once

#include <span>
#include <vector>

namespace lockstep {

// Which cores (as the operating system numbers them) threads run on.

// Those this thread may run on, whoever restricted it: mpirun, srun, taskset or a container.
// Neighbours in the machine are neighbours here (hwloc; in the system's order without it).
std::vector<int> AllowedCores();

// This thread, and those it starts from here on, run on these cores only. No core: no change.
// Throws EnvironmentError when the system refuses.
void BindThisThread(std::span<const int> cores);
void BindThisThread(int core);

// The cores of one rank of a host, of those each rank of it may run on: ranks that may use the
// same cores divide them in rank order, others have theirs to themselves. Empty when that gives a
// rank none, or when what ranks may use overlaps in another way: then nobody should be bound.
std::vector<int> CoresOfRank(std::span<const std::vector<int>> allowed, int rank);

// How many cores all of these are together, each counted once.
int CountCores(std::span<const std::vector<int>> allowed);

// Sorted by their place in the machine: what shares a cache is together. In hwloc_order.cpp, or
// no_hwloc.cpp where the library is missing: sorted by number.
std::vector<int> InMachineOrder(std::vector<int> cores);

}  // namespace lockstep
