#include "engine/live_request.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace lockstep {

LiveRequest::LiveRequest(Request request_in, std::span<const std::int32_t> end_tokens)
    : request(std::move(request_in)),
      ending(request.sampling, end_tokens),
      scored(std::max<std::int64_t>(0, request.context_tokens - 1)) {
  if (request.embedding) pooler.emplace(*request.embedding);
  if (!request.generates()) return;
  controls = std::make_unique<LogitControls>(request.sampling, request.prompt, ending.tokens());
  for (const std::int32_t token : request.reached) controls->Add(token);
  generated = std::ssize(request.reached);
}

FinishReason LiveRequest::FinishOf(std::int32_t token) const {
  if (const FinishReason ended = ending.Of(token); ended != FinishReason::kNone) return ended;
  const bool enough = generated == request.sampling.max_new_tokens;
  return enough ? FinishReason::kLength : FinishReason::kNone;
}

// The event of a request whose `numbers` are NaN or infinite.
TokenEvent NotNumbers(std::int64_t request, std::string_view numbers) {
  return {.request = request,
          .finish = FinishReason::kError,
          .error = fmt::format("the model's {} are not numbers (NaN or infinite): its weights are "
                               "damaged, or too large for this precision; try --dtype fp32, or "
                               "get the checkpoint again",
                               numbers)};
}

TokenEvent EmbeddingEvent(std::int64_t request, std::vector<float> vector) {
  const bool finite =
      std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); });
  if (!finite) return NotNumbers(request, "hidden states");
  TokenEvent event{.request = request, .finish = FinishReason::kLength};
  event.embedding = std::move(vector);
  return event;
}

}  // namespace lockstep
