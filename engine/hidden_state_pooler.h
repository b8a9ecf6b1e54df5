#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/request.h"

namespace lockstep {

// The hidden states of one text, as they come, made into one vector. They are added token by token,
// so that the sum does not depend on how the text was cut into chunks.
// Not thread-safe: the engine's thread.
class HiddenStatePooler {
 public:
  explicit HiddenStatePooler(Pooling pooling) : pooling_(pooling) {}

  // The states of the text's tokens from `start` on, [tokens, width]. A start of 0 begins anew: a
  // text that was preempted is computed again.
  void Add(std::int64_t start, std::span<const float> states, std::size_t width);

  std::vector<float> Vector() const;

 private:
  Pooling pooling_;
  std::int64_t count_ = 0;
  std::vector<double> sum_;
};

}  // namespace lockstep
