#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace lockstep {

// The log-probabilities of a text, from its second token on.
struct Score {
  std::vector<float> logprobs;
  std::vector<std::int32_t> top;
};

// Of an idle engine.
inline Score ScoreTokens(Engine& engine, std::span<const std::int32_t> tokens) {
  Request request;
  request.prompt.assign(tokens.begin(), tokens.end());
  request.prompt_logprobs = 0;
  request.sampling.max_new_tokens = 0;
  engine.Submit(std::move(request));
  Score score;
  while (!engine.idle())
    for (const TokenEvent& event : engine.Step())
      for (const TokenLogprob& one : event.prompt_logprobs) {
        score.logprobs.push_back(one.logprob);
        score.top.push_back(one.top);
      }
  return score;
}

}  // namespace lockstep
