#include "engine/sampling/ending.h"

#include <algorithm>

namespace lockstep {

Ending::Ending(const SamplingParams& params, std::span<const std::int32_t> end_tokens) {
  const auto add = [&](std::int32_t token) {
    if (std::find(tokens_.begin(), tokens_.end(), token) == tokens_.end()) tokens_.push_back(token);
  };
  if (!params.ignore_eos)
    for (const std::int32_t token : end_tokens) add(token);
  end_count_ = tokens_.size();
  for (const std::int32_t token : params.stop_tokens) add(token);
}

FinishReason Ending::Of(std::int32_t token) const {
  const auto found = std::find(tokens_.begin(), tokens_.end(), token);
  if (found == tokens_.end()) return FinishReason::kNone;
  const auto place = static_cast<std::size_t>(found - tokens_.begin());
  return place < end_count_ ? FinishReason::kEos : FinishReason::kStop;
}

}  // namespace lockstep
