#pragma once

#include <span>
#include <string>

#include "comm/control_plane.h"

namespace lockstep {

// The first rank's reason against something, on every rank; "" where none has one. Collective.
inline std::string FirstReason(ControlPlane& world, const std::string& mine) {
  for (const auto& theirs : world.AllGather(std::as_bytes(std::span(mine))))
    if (!theirs.empty()) return {reinterpret_cast<const char*>(theirs.data()), theirs.size()};
  return "";
}

}  // namespace lockstep
