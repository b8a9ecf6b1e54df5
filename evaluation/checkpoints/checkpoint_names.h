#pragma once

#include <string>
#include <vector>

#include "runtime/options/commands/evaluation_options.h"

namespace lockstep {

// One of the checkpoints that are evaluated.
struct CheckpointName {
  std::string model;     // a folder, or the hub's "org/name"
  std::string revision;  // of the hub's; empty: none was named

  // As --model takes it: "org/name@revision".
  std::string full() const { return revision.empty() ? model : model + "@" + revision; }

  bool operator==(const CheckpointName&) const = default;
};

// Every revision of the first model, then of the second: models of one shape follow each other.
// Throws BadInput where revisions are asked of what has none, a folder or a name with a revision.
std::vector<CheckpointName> CheckpointsOf(const EvaluationOptions& options);

}  // namespace lockstep
