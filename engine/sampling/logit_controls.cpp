#include "engine/sampling/logit_controls.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace lockstep {

LogitControls::LogitControls(const SamplingParams& params, std::span<const std::int32_t> prompt,
                             std::span<const std::int32_t> ending)
    : params_(params) {
  for (const std::int32_t id : params.allowed_tokens) Of(id).allowed = true;
  for (const std::int32_t id : params.banned_tokens) Of(id).banned = true;
  if (params.min_tokens > 0)
    for (const std::int32_t id : ending) Of(id).ends = true;
  for (const auto& [id, bias] : params.logit_bias) Of(id).bias += static_cast<float>(bias);
  if (repeats())
    for (const std::int32_t id : prompt) Of(id).in_text = true;
}

LogitControls::Token& LogitControls::Of(std::int32_t id) {
  const auto [place, is_new] = places_.try_emplace(id, tokens_.size());
  if (is_new) tokens_.push_back({.id = id});
  return tokens_[place->second];
}

void LogitControls::Add(std::int32_t token) {
  ++generated_;
  if (!repeats() && !uses()) return;
  Token& one = Of(token);
  one.in_text = true;
  ++one.generated;
}

bool LogitControls::IsImpossible(const Token& token) const {
  return token.banned || (only_taken() && !token.allowed) ||
         (token.ends && generated_ < params_.min_tokens);
}

bool LogitControls::Changes(const Token& token) const {
  return token.bias != 0.0f || (repeats() && token.in_text) || (uses() && token.generated > 0);
}

std::vector<std::int32_t> LogitControls::Taken() const {
  std::vector<std::int32_t> taken;
  for (const Token& token : tokens_) {
    const bool asked = only_taken() ? !IsImpossible(token) : IsImpossible(token) || Changes(token);
    if (asked) taken.push_back(token.id);
  }
  return taken;
}

float LogitControls::Adjusted(const Token& token, float logit) const {
  logit += token.bias;
  if (repeats() && token.in_text) {
    const auto penalty = static_cast<float>(params_.repetition_penalty);
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
  if (uses() && token.generated > 0) {
    logit -= static_cast<float>(params_.frequency_penalty) * static_cast<float>(token.generated);
    logit -= static_cast<float>(params_.presence_penalty);
  }
  // Far out, but still a number.
  return std::clamp(logit, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max());
}

std::vector<Candidate> LogitControls::Adjust(std::span<const Candidate> taken) const {
  std::vector<Candidate> adjusted;
  for (const Candidate& one : taken) {
    const Token& token = tokens_[places_.at(one.token)];
    if (!IsImpossible(token)) adjusted.push_back({one.token, Adjusted(token, one.logit)});
  }
  std::sort(adjusted.begin(), adjusted.end(),
            [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
  return adjusted;
}

}  // namespace lockstep
