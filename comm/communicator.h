#pragma once

#include <string_view>

#include "comm/control_plane.h"
#include "comm/reducer.h"

namespace lockstep {

// The ranks of a group over one transport: what they tell each other and what they add in host
// memory. Who needs only one of the two takes a ControlPlane or a Reducer.
class Communicator : public ControlPlane, public Reducer {
 public:
  using ControlPlane::ControlPlane;

  int rank() const override = 0;
  int size() const override = 0;
  std::string_view transport() const override { return "none"; }
};

}  // namespace lockstep
