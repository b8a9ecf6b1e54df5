#pragma once

#include "comm/control_plane.h"

namespace lockstep {

// A call that waits for a rank which has ended.
class PeerEndedError : public CollectiveError {
 public:
  using CollectiveError::CollectiveError;
};

}  // namespace lockstep
