#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "api/requests.h"

namespace lockstep {

// What requests to OpenAI's interface have in common, once they are read.
struct ApiRequest {
  std::vector<LineRequest> prompts;  // with tokens; each has n samples
  bool stream = false;
  bool include_usage = false;     // in a last chunk
  bool continuous_usage = false;  // in each chunk
};

// What a request is read with. All of it is the caller's and outlives the call.
struct RequestRules {
  std::string_view model;   // the name by which it is served
  const Options& defaults;  // of sampling, the model's among them
  const Tokenizer& tokenizer;
  const ModelSpec& spec;
  std::span<const std::int32_t> end_tokens = {};  // of the model
  // The line of a batch job that has the request: without a seed of its own it draws from the
  // configuration's by that number. None: it gets a random seed.
  std::optional<std::int64_t> line = {};
  ClientId client = kNobody;  // who asks
};

}  // namespace lockstep
