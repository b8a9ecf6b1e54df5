#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/requests.h"

namespace lockstep {

// POST /v1/completions, as OpenAI defined it, with what clients of vLLM send beside it.
struct CompletionRequest {
  std::vector<LineRequest> prompts;  // with tokens; each has n samples
  std::vector<std::string> texts;    // of the prompts, as they were given
  bool echo = false;
  bool prompt_only = false;  // echo with max_tokens 0: what is generated is not answered
  bool stream = false;
  bool include_usage = false;     // in a last chunk
  bool continuous_usage = false;  // in each chunk
};

// What a request is read with. All of it is the caller's and outlives the call.
struct CompletionRules {
  std::string_view model;   // the name by which it is served
  const Options& defaults;  // of sampling, the model's among them
  const Tokenizer& tokenizer;
  const ModelSpec& spec;
};

// The model's name, if the body says one. Fields that are null count as missing, and fields that
// are not known are passed over, as clients expect. Tokenizes. A request that names no seed gets a
// random one. Throws ApiError with the status 400 or 404.
CompletionRequest ParseCompletion(std::string_view body, const CompletionRules& rules);

}  // namespace lockstep
