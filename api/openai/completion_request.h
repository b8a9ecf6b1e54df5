#pragma once

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
};

// The model's name, if the body says one. Fields that are null count as missing, and fields that
// are not known are passed over, as clients expect. Tokenizes. A request that names no seed gets a
// random one. Throws ApiError with the status 400 or 404.
CompletionRequest ParseCompletion(std::string_view body, const RequestRules& rules);

}  // namespace lockstep
