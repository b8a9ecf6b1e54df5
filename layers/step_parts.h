#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/numbers/tensor.h"
#include "layers/kernels/step_inputs.h"

namespace lockstep {

// Some of a step's rows, and the sequences that they are of. It lives as long as what those are of.
struct StepPart {
  std::int64_t begin = 0;
  std::int64_t rows = 0;
  std::span<const SequenceRows> sequences = {};  // their rows counted from `begin` on

  // Its rows of a tensor that has all of the step's.
  TensorView Of(const TensorView& all) const { return all.Rows(begin, rows); }
};

// The halves of a step's rows. A sequence that is in both goes on in the second: whoever computes
// the first half first gives each row what it would have in the whole. The page tables are copied.
class StepHalves {
 public:
  StepHalves(std::int64_t rows, std::span<const SequenceRows> sequences);

  std::vector<StepPart> parts() const;
  // Those of parts().
  std::array<std::span<const SequenceRows>, 2> sequences() const {
    return {halves_.front().sequences, halves_.back().sequences};
  }

 private:
  struct Half {
    std::int64_t begin = 0;
    std::int64_t rows = 0;
    std::vector<SequenceRows> sequences = {};
  };
  std::vector<Half> halves_;
};

}  // namespace lockstep
