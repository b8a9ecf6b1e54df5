#pragma once

#include <cstdint>
#include <span>

#include "engine/request.h"

namespace lockstep {

// Chooses a token from a row of logits: temperature, then top-k (ties with the k-th stay), then
// top-p (the smallest set of most likely tokens whose probabilities reach it), as transformers
// does. `position` is the place of the new token in its sequence; see SamplingParams for the
// random numbers. temperature must be > 0: greedy rows need no sampler.
std::int32_t SampleToken(std::span<const float> logits, const SamplingParams& params,
                         std::int64_t position);

}  // namespace lockstep
