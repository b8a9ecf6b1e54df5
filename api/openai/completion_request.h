#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/api_request.h"

namespace lockstep {

// POST /v1/completions, as OpenAI defined it, with what clients of vLLM send beside it.
struct CompletionRequest : ApiRequest {
  std::vector<std::string> texts;  // of the prompts, as they were given
  bool echo = false;
  bool prompt_only = false;  // echo with max_tokens 0: what is generated is not answered
  // As vLLM has them: the ids of all tokens, the prompt's log-probabilities by id, and tokens of
  // logprobs as "token_id:ID" in place of their texts.
  bool return_token_ids = false;
  std::optional<std::int64_t> prompt_logprobs = {};  // asked for; echo may have more computed
  bool tokens_as_ids = false;
};

// The model's name, if the body says one. Fields that are null count as missing, and fields that
// are not known are passed over, as clients expect. Tokenizes. A request that names no seed gets a
// random one. Throws ApiError with the status 400 or 404.
CompletionRequest ParseCompletion(std::string_view body, const RequestRules& rules);

}  // namespace lockstep
