#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/options/arguments.h"

namespace lockstep {

// What a group of ranks is told by the server that starts it, in the environment variable
// kGroupVariable (runtime/spawn/spawn.h).
struct GroupPlace {
  std::string socket;           // that rank 0 connects to; its name is new with every start
  int ranks = 1;                // perhaps fewer than --tp says
  int group = 0;                // its number
  int groups = 1;               // of the server, beside each other
  DtypeChoice dtype = {};       // what the server has chosen for all groups
  std::string checkpoint = {};  // to start with in place of --model; empty: that one

  std::string ToText() const;
  static std::optional<GroupPlace> FromText(const std::string& text);
  // Nothing: this process is none of a group.
  static std::optional<GroupPlace> FromEnvironment();
};

// CUDA_VISIBLE_DEVICES of each group: GPUs of its own, one for each of its ranks, for groups do not
// know of each other. `visible` is this process's own value of it; null: it sees all.
std::vector<std::string> DevicesOfGroups(int groups, int ranks, const char* visible);

// The server's arguments as those of the ranks of one group.
Arguments ArgumentsOfGroup(const Arguments& arguments, const GroupPlace& place);

}  // namespace lockstep
