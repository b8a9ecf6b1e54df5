#include "engine/adjust_logits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

namespace lockstep {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

// The logit of a token, or null outside the row.
float* Find(std::span<float> logits, std::int32_t token) {
  const bool inside = token >= 0 && static_cast<std::size_t>(token) < logits.size();
  return inside ? &logits[static_cast<std::size_t>(token)] : nullptr;
}

void Forbid(std::span<float> logits, std::span<const std::int32_t> tokens) {
  for (const std::int32_t token : tokens)
    if (float* logit = Find(logits, token)) *logit = kImpossible;
}

void AllowOnly(std::span<float> logits, std::span<const std::int32_t> tokens) {
  if (tokens.empty()) return;
  std::vector<std::pair<float*, float>> kept;
  for (const std::int32_t token : tokens)
    if (float* logit = Find(logits, token)) kept.emplace_back(logit, *logit);
  std::fill(logits.begin(), logits.end(), kImpossible);
  for (const auto& [logit, value] : kept) *logit = value;
}

using Counts = std::unordered_map<std::int32_t, std::int64_t>;

Counts CountTokens(std::span<const std::int32_t> tokens) {
  Counts counts;
  for (const std::int32_t token : tokens) ++counts[token];
  return counts;
}

void PenalizeRepetition(std::span<float> logits, const Counts& seen, float penalty) {
  for (const auto& [token, count] : seen)
    if (float* logit = Find(logits, token))
      *logit = *logit > 0 ? *logit / penalty : *logit * penalty;
}

void PenalizeUse(std::span<float> logits, const Counts& used, const SamplingParams& params) {
  for (const auto& [token, count] : used)
    if (float* logit = Find(logits, token)) {
      *logit -= static_cast<float>(params.frequency_penalty) * static_cast<float>(count);
      *logit -= static_cast<float>(params.presence_penalty);
    }
}

}  // namespace

bool NeedsAdjusting(const SamplingParams& params, std::int64_t generated_count) {
  return params.repetition_penalty != 1.0 || params.presence_penalty != 0.0 ||
         params.frequency_penalty != 0.0 || !params.logit_bias.empty() ||
         !params.allowed_tokens.empty() || !params.banned_tokens.empty() ||
         generated_count < params.min_tokens;
}

void AdjustLogits(std::span<float> logits, const SamplingParams& params, const History& history) {
  AllowOnly(logits, params.allowed_tokens);
  Forbid(logits, params.banned_tokens);
  if (static_cast<std::int64_t>(history.generated.size()) < params.min_tokens)
    Forbid(logits, history.ending);
  for (const auto& [token, bias] : params.logit_bias)
    if (float* logit = Find(logits, token)) *logit += static_cast<float>(bias);
  const Counts used = CountTokens(history.generated);
  if (params.repetition_penalty != 1.0) {
    Counts seen = CountTokens(history.prompt);
    seen.insert(used.begin(), used.end());
    PenalizeRepetition(logits, seen, static_cast<float>(params.repetition_penalty));
  }
  if (params.frequency_penalty != 0.0 || params.presence_penalty != 0.0)
    PenalizeUse(logits, used, params);
}

}  // namespace lockstep
