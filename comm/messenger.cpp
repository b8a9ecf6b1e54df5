#include "comm/messenger.h"

#include <fmt/format.h>

namespace lockstep {

std::string WhichWaitsFor(Messenger& messenger, const ControlPlane& world, int rank) {
  std::string text;
  for (const int one : messenger.WhoHoldsUp(rank)) {
    if (one == rank) continue;
    text += fmt::format("{} rank {} on {}", text.empty() ? ", which waits for" : " and", one,
                        world.host(one));
  }
  return text;
}

}  // namespace lockstep
