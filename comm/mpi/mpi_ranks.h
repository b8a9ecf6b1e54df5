#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "comm/collective.h"
#include "comm/hosts.h"

namespace lockstep {

// What tells the messages of one part of the program from those of another. All of them travel in
// MPI's world: making a communicator of MPI's own waits for every rank, without a deadline.
enum class MpiLane : int { kWorld, kAcrossHosts, kGroup, kGroupAcrossHosts, kLetters };

// Ranks of MPI's world that do something together, in their order there.
struct MpiRanks {
  MpiLane lane = MpiLane::kWorld;
  std::vector<int> numbers;           // in MPI's world
  std::vector<std::string> hosts;     // names, for messages
  std::vector<std::string> machines;  // equal where ranks can share memory: see MachineId()

  int size() const { return static_cast<int>(numbers.size()); }
  // The index of this process. It must be among them.
  int Self() const;
  MpiRanks Select(std::span<const int> indices, MpiLane other_lane) const;
};

// All ranks of MPI's world, whose hosts are not known yet.
MpiRanks AllMpiRanks();

// Where each rank lives. ranks_per_host as in WorldOptions.
std::vector<HostPlace> PlacesOf(const MpiRanks& ranks, int ranks_per_host);

// The tag of a message: MPI promises 15 bits.
int TagOf(MpiLane lane, Collective collective, std::uint64_t number);

}  // namespace lockstep
