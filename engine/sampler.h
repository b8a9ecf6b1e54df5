#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/likeliest.h"
#include "engine/request.h"

namespace lockstep {

// All tokens of a row that are possible (more than -infinity), in the order of their ids.
std::vector<Candidate> Possible(std::span<const float> logits);

// Chooses one of the candidates: temperature, then top-k (ties with the k-th stay), then top-p (the
// smallest set of the likeliest whose probabilities reach it), then min-p (no less likely than that
// part of the likeliest), as transformers does. `position` is the place of the new token in its
// sequence; see SamplingParams for the random numbers. Needs a temperature above 0 and at least
// one candidate; with top-k the `top_k` likeliest and their ties are enough. Their order does not
// matter.
std::int32_t SampleToken(std::vector<Candidate> candidates, const SamplingParams& params,
                         std::int64_t position);

// The tokens that SampleToken() may choose, with their probabilities; the likeliest first.
struct Choice {
  std::int32_t token = 0;
  double probability = 0.0;
};
std::vector<Choice> Choices(std::vector<Candidate> candidates, const SamplingParams& params);

}  // namespace lockstep
