#pragma once

#include "comm/control_plane.h"

namespace lockstep {

// A call that waits for a rank which has ended. Apart from other errors because it is news even
// while the launcher already ends the world.
class PeerEndedError : public CollectiveError {
 public:
  using CollectiveError::CollectiveError;
};

}  // namespace lockstep
