#include "api/openai/api_reply.h"

#include <cmath>

namespace lockstep {

Json LogprobNumber(float logprob) {
  constexpr double kImpossible = -9999.0;
  return std::isfinite(logprob) ? Json(static_cast<double>(logprob)) : Json(kImpossible);
}

Json FinishName(FinishReason finish) {
  if (finish == FinishReason::kNone) return nullptr;
  return finish == FinishReason::kLength ? "length" : "stop";
}

Json StopReason(const TextRequest& request, FinishReason finish, std::optional<std::size_t> stop,
                std::int32_t last) {
  if (finish != FinishReason::kStop) return nullptr;
  return stop ? Json(request.stop[*stop]) : Json(last);
}

Json UsageOf(std::int64_t prompt_tokens, std::int64_t completion_tokens) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens}};
}

std::string TokenText(const Tokenizer& tokenizer, std::int32_t token) {
  return tokenizer.Decode({&token, 1}, SpecialTokens::kKeep);
}

}  // namespace lockstep
