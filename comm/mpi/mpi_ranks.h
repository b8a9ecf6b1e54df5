#pragma once

#include <span>
#include <vector>

#include "comm/groups/hosts.h"
#include "comm/mpi/mpi_lanes.h"

namespace lockstep {

// Ranks of MPI's world that do something together, in the order of their group.
struct MpiRanks {
  int lane = kWorldLane;
  std::vector<int> numbers;  // in MPI's world
  HostMap hosts;

  int size() const { return static_cast<int>(numbers.size()); }
  // The index of this process. It must be among them.
  int Self() const;
  // Some of them, on a lane of their own.
  MpiRanks Select(std::span<const int> indices, int other_lane) const;
};

// All ranks of MPI's world, whose hosts are not known yet.
MpiRanks AllMpiRanks();

}  // namespace lockstep
