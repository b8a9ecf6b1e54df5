#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/request.h"

namespace lockstep {

// What a request must fit.
struct RequestLimits {
  std::int64_t vocab_rows = 0;
  std::int64_t sampled_vocab = 0;
  std::int64_t context_tokens = 0;
  std::int64_t cache_tokens = 0;  // of the whole KV cache
  std::span<const std::int32_t> end_tokens = {};
};

// Cuts max_new_tokens to what the context leaves, and top_k to off where it is all of the
// vocabulary. Throws BadInput when the request cannot run, or its controls leave no token.
void FitRequest(Request& request, const RequestLimits& limits);

// What FitRequest() says of the controls of sampling and of logprobs, which the prompt has no part
// in. Throws BadInput.
void CheckControls(const SamplingParams& params, std::optional<std::int64_t> logprobs,
                   std::optional<std::int64_t> prompt_logprobs, const RequestLimits& limits);

// The tokens of it that are ever in the cache at the same time: all but the last, unless its hidden
// state is wanted.
std::int64_t MostCachedTokens(const Request& request);

}  // namespace lockstep
