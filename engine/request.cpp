#include "engine/request.h"

#include <cmath>

#include "core/error.h"

namespace lockstep {

void Validate(const SamplingParams& params, std::string_view where) {
  if (params.max_new_tokens < 1)
    throw BadInput("{}: max_new_tokens is {}; expected 1 or more", where, params.max_new_tokens);
  if (!std::isfinite(params.temperature) || params.temperature < 0.0)
    throw BadInput("{}: temperature is {}; expected 0 (greedy) or more", where, params.temperature);
  if (params.top_k < 0)
    throw BadInput("{}: top_k is {}; expected 0 (off) or more", where, params.top_k);
  if (!(params.top_p > 0.0 && params.top_p <= 1.0))
    throw BadInput("{}: top_p is {}; expected more than 0 and at most 1 (off)", where,
                   params.top_p);
}

std::string_view Name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kNone: return "";
    case FinishReason::kLength: return "length";
    case FinishReason::kStop: return "stop";
    case FinishReason::kEos: return "eos";
  }
  return "";
}

}  // namespace lockstep
