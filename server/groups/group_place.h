#pragma once

#include <optional>
#include <string>

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

// The server's arguments as those of the ranks of one group.
Arguments ArgumentsOfGroup(const Arguments& arguments, const GroupPlace& place);

}  // namespace lockstep
