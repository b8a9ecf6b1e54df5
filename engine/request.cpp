#include "engine/request.h"

#include <algorithm>

#include "core/error.h"

namespace lockstep {
namespace {

void CheckPenalty(double value, std::string_view name, std::string_view where) {
  if (!(value >= -2.0 && value <= 2.0))
    throw BadInput("{}: {} is {}; expected -2 to 2, 0 is off", where, name, value);
}

void CheckTokenLists(const SamplingParams& params, std::string_view where) {
  for (const auto& [token, bias] : params.logit_bias)
    if (!(bias >= -100.0 && bias <= 100.0))
      throw BadInput("{}: logit_bias of token {} is {}; expected -100 to 100", where, token, bias);
  const auto& banned = params.banned_tokens;
  const auto is_banned = [&](std::int32_t token) {
    return std::find(banned.begin(), banned.end(), token) != banned.end();
  };
  const auto& allowed = params.allowed_tokens;
  if (!allowed.empty() && std::all_of(allowed.begin(), allowed.end(), is_banned))
    throw BadInput("{}: every one of allowed_token_ids is in banned_token_ids; no token is left",
                   where);
}

}  // namespace

void Validate(const SamplingParams& params, std::string_view where) {
  if (params.max_new_tokens < 1)
    throw BadInput("{}: max_new_tokens is {}; expected 1 or more", where, params.max_new_tokens);
  if (params.temperature != 0.0 &&
      !(params.temperature >= kLeastTemperature && params.temperature <= kMostTemperature))
    throw BadInput("{}: temperature is {}; expected 0 (greedy) or {} to {}", where,
                   params.temperature, kLeastTemperature, kMostTemperature);
  if (params.top_k < 0)
    throw BadInput("{}: top_k is {}; expected 0 (off) or more", where, params.top_k);
  if (!(params.top_p >= kLeastTopP && params.top_p <= 1.0))
    throw BadInput("{}: top_p is {}; expected {} to 1 (off)", where, params.top_p, kLeastTopP);
  if (!(params.min_p >= 0.0 && params.min_p <= 1.0))
    throw BadInput("{}: min_p is {}; expected 0 (off) to 1", where, params.min_p);
  if (!(params.repetition_penalty >= kLeastRepetition &&
        params.repetition_penalty <= kMostRepetition))
    throw BadInput("{}: repetition_penalty is {}; expected {} to {}, 1 is off", where,
                   params.repetition_penalty, kLeastRepetition, kMostRepetition);
  CheckPenalty(params.presence_penalty, "presence_penalty", where);
  CheckPenalty(params.frequency_penalty, "frequency_penalty", where);
  if (params.min_tokens < 0 || params.min_tokens > params.max_new_tokens)
    throw BadInput("{}: min_tokens is {}; expected 0 to max_new_tokens, which is {}", where,
                   params.min_tokens, params.max_new_tokens);
  CheckTokenLists(params, where);
}

std::string_view Name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kNone: return "";
    case FinishReason::kLength: return "length";
    case FinishReason::kStop: return "stop";
    case FinishReason::kEos: return "eos";
    case FinishReason::kError: return "error";
  }
  return "";
}

}  // namespace lockstep
