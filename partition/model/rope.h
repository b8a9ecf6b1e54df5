#pragma once

#include <cstdint>

namespace lockstep {

// How frequencies that a model was trained with are stretched over a longer context.
enum class RopeType : std::uint8_t {
  kDefault,
  kLinear,   // all of them slower
  kDynamic,  // a larger base past the model's context; within it as good as the default
  kYarn,     // slow ones slower, with a ramp towards fast ones (Peng et al., arXiv:2309.00071)
  kLlama3,   // the same by wavelength
};

// The rotary frequencies of a model: base^(-2i / dims), changed as `type` says. Fields that a type
// does not name keep their defaults.
struct Rope {
  RopeType type = RopeType::kDefault;
  double base = 10000.0;
  bool odd_dims = false;  // dims is the model's rotary_dims - 1: half a pair counts as a whole one
  double factor = 1.0;
  double original_context_tokens = 0.0;  // kYarn, kLlama3: what the model was first trained with
  double attention_factor = 1.0;         // kYarn: cosines and sines are multiplied by it
  double beta_fast = 32.0;               // kYarn: turns within that context where the ramp begins
  double beta_slow = 1.0;                // and ends
  bool whole_ramp = true;                // kYarn: from and to whole dims
  double low_frequency_factor = 1.0;     // kLlama3
  double high_frequency_factor = 4.0;

  bool operator==(const Rope&) const = default;
};

}  // namespace lockstep
