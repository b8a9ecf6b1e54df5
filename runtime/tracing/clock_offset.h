#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "comm/control_plane.h"

namespace lockstep {

// How a rank's steady clock stands to that of rank 0. Nanoseconds.
struct ClockOffset {
  std::int64_t at = 0;      // on the rank's clock, when this was found out
  std::int64_t offset = 0;  // the rank's clock minus rank 0's
  std::int64_t bound = 0;   // the offset is right within so much, to either side
};

// Compares the clocks of a group: of each rank on rank 0, of none elsewhere. Ranks on rank 0's host
// have its clock. With each of the others it exchanges messages and takes the quickest of several
// answers: the rank has looked at its clock between question and answer. Collective.
std::vector<ClockOffset> CompareClocks(ControlPlane& comm,
                                       const std::function<std::int64_t()>& clock);

// Clocks of two hosts go at different speeds: a time on a rank's clock as one on rank 0's, by
// what the offset was before and after.
struct ClockDrift {
  ClockOffset before;
  ClockOffset after;

  std::int64_t ToRank0(std::int64_t time) const;
  std::int64_t bound() const;
};

}  // namespace lockstep
