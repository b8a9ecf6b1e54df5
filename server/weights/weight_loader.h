#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/error.h"

namespace lockstep {

// What became of a wish for other weights.
struct LoadOutcome {
  std::optional<Error> error = {};  // why the weights are still those before
  double seconds = 0.0;             // that reading took
};
using OnLoaded = std::function<void(const LoadOutcome& outcome)>;

// Has the weights of all ranks exchanged for those of another checkpoint of the same shape.
// Requests that have begun end on the weights before, the others wait; where any rank cannot read
// its part, all go on with the weights that they have.
class WeightLoader {
 public:
  virtual ~WeightLoader() = default;

  // checkpoint: a name or a folder, as for --model. on_end is called once, by whichever thread ends
  // it, before anything begins on the new weights. One at a time: the next one after that call.
  // From any thread.
  virtual void Load(const std::string& checkpoint, OnLoaded on_end) = 0;
};

}  // namespace lockstep
