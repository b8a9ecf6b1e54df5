#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/request.h"

namespace lockstep {

// The tokens that end a request's text: the model's end tokens, unless it ignores them, and its
// stop tokens.
// Thread safety: never changes once it is made.
class Ending {
 public:
  Ending() = default;
  // end_tokens: EngineOptions::end_tokens.
  Ending(const SamplingParams& params, std::span<const std::int32_t> end_tokens);

  // Each of them once.
  const std::vector<std::int32_t>& tokens() const { return tokens_; }

  // kEos for an end token, also where it is a stop token too; kStop for a stop token; else kNone.
  FinishReason Of(std::int32_t token) const;

 private:
  std::vector<std::int32_t> tokens_;  // the end tokens first
  std::size_t end_count_ = 0;
};

}  // namespace lockstep
