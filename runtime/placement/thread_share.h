#pragma once

#include <cstdint>
#include <vector>

#include "comm/control_plane.h"
#include "core/control_groups.h"

namespace lockstep {

// How many processors' worth of time this rank has: its share of the cores it may run on, and no
// more than its share of any quota of its control groups. A core that several ranks of one host may
// run on is divided between them, as is a quota; whether mpirun has bound the ranks to cores or
// not, all cores are used once. Collective.
double CpuShare(ControlPlane& comm, const std::vector<GroupLimit>& quotas);

// The whole threads that fit in a share; at least 1.
int ThreadsOf(double share);

}  // namespace lockstep
