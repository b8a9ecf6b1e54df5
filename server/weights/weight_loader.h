#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "core/error.h"

namespace lockstep {

// What became of a wish for other weights.
struct LoadOutcome {
  std::optional<Error> error = {};  // why the weights are still those before
  double seconds = 0.0;             // that reading took
  bool is_late = false;             // LoadWish::until has come first
};
using OnLoaded = std::function<void(const LoadOutcome& outcome)>;

struct LoadWish {
  using Clock = std::chrono::steady_clock;

  std::string checkpoint;  // a name or a folder, as for --model
  // For requests that have begun to end, while all others wait. Reading takes as long as it takes.
  Clock::time_point until = Clock::time_point::max();
};

// What has begun did not end in time.
inline LoadOutcome TooLate() {
  return {.error = Error(ExitCode::kInterrupted, "the texts that had begun have not ended in time"),
          .is_late = true};
}

// Has the weights of all ranks exchanged for those of another checkpoint of the same shape.
// Requests that have begun end on the weights before, the others wait; where any rank cannot read
// its part, all go on with the weights that they have.
class WeightLoader {
 public:
  virtual ~WeightLoader() = default;

  // on_end is called once, by whichever thread ends it, before anything begins on the new weights.
  // One at a time: the next one after that call. From any thread.
  virtual void Load(const LoadWish& wish, OnLoaded on_end) = 0;
};

}  // namespace lockstep
