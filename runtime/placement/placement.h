#pragma once

#include <cstdint>
#include <vector>

#include "comm/control_plane.h"
#include "core/control_groups.h"

namespace lockstep {

// parallel.bind: whether threads are bound to cores.
enum class Binding { kAuto, kNone };

struct PlacementOptions {
  std::int64_t threads = 0;  // of each rank; 0: its share of the cores or quota
  Binding bind = Binding::kAuto;
  std::vector<GroupLimit> quotas = GroupCpuLimits();  // of processor time; this rank's
};

// Where this rank computes.
struct Placement {
  int threads = 1;
  // What its threads are to be bound to: its own share of the host's cores, at least `threads` of
  // them, and with as many one for each thread. Empty where they are not to be bound: nobody wants
  // it, or this host's ranks have more threads than cores.
  std::vector<int> cores;
  // What a rank does while it waits: keeps its core busy only where there are enough for all.
  ControlPlane::Waiting waiting = ControlPlane::Waiting::kYields;
};

// Divides the cores that the ranks of each host may run on, as far as the quotas of their control
// groups go. A core that several ranks may use is divided between them; whether mpirun has bound
// the ranks or not, all cores are used once. Tells the control plane whether a waiting rank may
// keep its core busy; others that the same ranks use are told by the caller. Collective.
Placement PlaceRank(ControlPlane& comm, const PlacementOptions& options);

// Binds this thread, and those that it starts, to the cores of its rank. Where the system does not
// let it, they stay where they are.
void BindWhereAllowed(const Placement& placement);

}  // namespace lockstep
