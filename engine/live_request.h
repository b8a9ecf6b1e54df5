#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/hidden_state_pooler.h"
#include "engine/request.h"
#include "engine/sampling/ending.h"
#include "engine/sampling/logit_controls.h"

namespace lockstep {

// A request in flight, as the engine knows it. Its tokens and pages are the scheduler's. For the
// engine's thread.
struct LiveRequest {
  LiveRequest(Request request_in, std::span<const std::int32_t> end_tokens);
  LiveRequest(const LiveRequest&) = delete;  // its parts look at each other
  LiveRequest& operator=(const LiveRequest&) = delete;

  bool scores_prompt() const { return request.prompt_logprobs.has_value(); }
  // Of a request whose last new token this is, and has been counted.
  FinishReason FinishOf(std::int32_t token) const;

  const Request request;
  const Ending ending;
  std::int64_t generated = 0;
  // The place in the prompt behind which the next token is scored: after a preemption none is
  // scored again.
  std::int64_t scored = 0;
  std::vector<TokenLogprob> prompt_logprobs;
  std::optional<HiddenStatePooler> pooler;
  std::unique_ptr<LogitControls> controls;  // of what generates
  bool begun = false;                       // was in a step
};

// The event of a request whose `numbers` are NaN or infinite.
TokenEvent NotNumbers(std::int64_t request, std::string_view numbers);
// That of one whose vector this is.
TokenEvent EmbeddingEvent(std::int64_t request, std::vector<float> vector);

}  // namespace lockstep
