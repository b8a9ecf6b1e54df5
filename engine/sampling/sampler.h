#pragma once

#include <cstdint>
#include <vector>

#include "engine/request.h"
#include "layers/kernels/noise.h"
#include "layers/rows/top_logits.h"

namespace lockstep {

// How likely a token is beside another at a temperature: exp of the difference of their logits.
double WeightBeside(const Candidate& one, const Candidate& other, double temperature);

// What top-k (ties with the k-th stay), then top-p (the smallest set of the likeliest whose
// probabilities reach it), then min-p (no less likely than that part of the likeliest) leave of
// candidates, as transformers does. Needs a temperature above 0; with top-k the `top_k` likeliest
// and their ties are enough. Their order does not matter.
std::vector<Candidate> KeepLikely(std::vector<Candidate> candidates, const SamplingParams& params);

// The candidates in the order in which the race (layers/kernels/noise.h) ranks them.
std::vector<Candidate> InRaceOrder(std::vector<Candidate> candidates, const NoiseKey& key,
                                   double temperature);

}  // namespace lockstep
