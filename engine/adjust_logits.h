#pragma once

#include <cstdint>
#include <span>

#include "engine/request.h"

namespace lockstep {

// What has been said so far, as the penalties see it.
struct History {
  std::span<const std::int32_t> prompt;
  std::span<const std::int32_t> generated;
  std::span<const std::int32_t> ending;  // the end token (unless ignored) and the stop tokens
};

// Whether the logits must be adjusted before the next token is chosen. Then the whole row is
// needed; else the likeliest tokens may do.
bool NeedsAdjusting(const SamplingParams& params, std::int64_t generated_count);

// Applies, in this order, as vLLM does: allowed and banned tokens, min_tokens (the ending tokens
// become impossible), logit_bias; repetition_penalty (of CTRL, arXiv:1909.05858: positive logits
// are divided, others multiplied; tokens of the prompt count), frequency_penalty and
// presence_penalty (OpenAI's: of the new tokens only). Impossible tokens have -infinity.
//   logits  [sampled vocabulary]; ids outside it are ignored
void AdjustLogits(std::span<float> logits, const SamplingParams& params, const History& history);

}  // namespace lockstep
