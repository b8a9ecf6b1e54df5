#pragma once

#include <memory>

#include "comm/communicator.h"
#include "comm/world.h"

namespace lockstep {

// The ranks that hold one copy of the model together (--tp), and their place among the groups that
// share the work (--dp). The ranks of a group follow each other in the world.
class RankGroup {
 public:
  // One group of all ranks.
  explicit RankGroup(Communicator& world) : world_(world) {}
  // Collective over the world, whose ranks `groups` divides.
  RankGroup(Communicator& world, int groups, const WorldOptions& options);

  int index() const { return world_.rank() / size(); }
  int count() const { return world_.size() / size(); }
  int size() const { return comm().size(); }
  // The world's number of the first rank of a group: the one that decides for it.
  int leader(int group) const { return group * size(); }

  Communicator& world() const { return world_; }
  Communicator& comm() const { return own_ != nullptr ? *own_ : world_; }

 private:
  Communicator& world_;
  std::unique_ptr<Communicator> own_;  // where there are several groups
};

}  // namespace lockstep
