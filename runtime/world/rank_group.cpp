#include "runtime/world/rank_group.h"

#include "runtime/world/world.h"

namespace lockstep {

RankGroup::RankGroup(Communicator& world, int groups, const WorldOptions& options) : world_(world) {
  if (groups == 1) return;
  Agree(world, "forming groups", [&] { own_ = JoinGroup(world, groups, options); });
}

}  // namespace lockstep
