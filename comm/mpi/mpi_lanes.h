#pragma once

#include <cstdint>
#include <memory>

#include "comm/collective.h"

namespace lockstep {

// What tells the messages of one group of ranks from those of another. All of them travel in MPI's
// world: making a communicator of MPI's own waits for every rank, without a deadline. A group has
// two lanes in a row: one for all its ranks, one for those that go on adding across hosts.
inline constexpr int kWorldLane = 0;
inline constexpr int kMessengerLane = 2;
inline constexpr int kAcrossHosts = 1;  // from the group's own lane

// What the peer probe calls the ranks of one host of a group: lanes are the groups over MPI.
inline constexpr int GroupInMemory(int lane) { return lane + (1 << 8); }

// The tag of a message: MPI promises 15 bits.
int TagOf(int lane, Collective collective, std::uint64_t number);

// The lanes that groups of this process have, one bit each.
std::uint64_t LanesInUse();

// The lanes of a new group: the lowest that none of its ranks uses yet. in_use: of all ranks that
// make groups at this moment. Throws when there are none.
int FreeLane(std::uint64_t in_use);

// A group's lanes while it lives. Thread safety: made and destroyed by the thread that owns MPI.
class LaneClaim {
 public:
  explicit LaneClaim(int lane);
  ~LaneClaim();
  LaneClaim(const LaneClaim&) = delete;
  LaneClaim& operator=(const LaneClaim&) = delete;

 private:
  std::uint64_t bits_;
};

}  // namespace lockstep
