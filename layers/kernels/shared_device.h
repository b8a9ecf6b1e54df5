#pragma once

#include <cstdlib>
#include <string_view>

namespace lockstep {

// Whether ranks may be on one device: $LOCKSTEP_SHARED_GPU=1. For tests on a machine with one GPU:
// ranks that wait for each other on it take turns of milliseconds. Without it that is a mistake of
// whoever started them.
inline bool SharedDeviceAsked() {
  const char* variable = std::getenv("LOCKSTEP_SHARED_GPU");
  return variable != nullptr && std::string_view(variable) == "1";
}

}  // namespace lockstep
