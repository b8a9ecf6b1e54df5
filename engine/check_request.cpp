#include "engine/check_request.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "engine/sampling/ending.h"

namespace lockstep {
namespace {

void CheckPrompt(const Request& request, const RequestLimits& limits) {
  if (request.prompt.empty()) throw BadInput("the prompt has no tokens; expected at least one");
  for (const std::int32_t token : request.prompt)
    if (token < 0 || token >= limits.vocab_rows)
      throw BadInput("token id {} is outside the vocabulary; expected 0 to {}", token,
                     limits.vocab_rows - 1);
  const auto count = static_cast<std::int64_t>(request.prompt.size());
  if (request.context_tokens < 0 || request.context_tokens >= count)
    throw BadInput(
        "the context has {} of the prompt's {} tokens; expected at least one behind it to score",
        request.context_tokens, count);
  // Of a score the last token is not read.
  const std::int64_t read = count + (request.generates() ? 1 : request.only_scores() ? -1 : 0);
  if (read > limits.context_tokens)
    throw BadInput("{} tokens do not fit the context of {} tokens{}; shorten the text", count,
                   limits.context_tokens, read > count ? " together with a new one" : "");
}

void CheckToken(std::int32_t token, std::string_view name, const RequestLimits& limits) {
  if (token < 0 || token >= limits.sampled_vocab)
    throw BadInput("{} holds token id {}; expected 0 to {}", name, token, limits.sampled_vocab - 1);
}

void CheckTokens(const SamplingParams& params, const RequestLimits& limits) {
  for (const auto& [token, bias] : params.logit_bias) CheckToken(token, "logit_bias", limits);
  for (const std::int32_t token : params.allowed_tokens)
    CheckToken(token, "allowed_token_ids", limits);
  for (const std::int32_t token : params.banned_tokens)
    CheckToken(token, "banned_token_ids", limits);
  for (const std::int32_t token : params.stop_tokens) CheckToken(token, "stop_token_ids", limits);
}

void CheckReached(const Request& request, const RequestLimits& limits) {
  if (request.reached.empty()) return;
  LOCKSTEP_CHECK(request.generates() && !request.branches, "a request that cannot be resumed");
  for (const std::int32_t token : request.reached)
    if (token < 0 || token >= limits.sampled_vocab)
      throw BadInput("the text to go on from holds token id {}; expected 0 to {}", token,
                     limits.sampled_vocab - 1);
  if (std::ssize(request.reached) >= request.sampling.max_new_tokens)
    throw BadInput("the text to go on from has {} tokens, of which at most {} are wanted",
                   request.reached.size(), request.sampling.max_new_tokens);
}

// Of the tokens that may be sampled, whether any may be the first of a text.
bool AnyIsLeft(const SamplingParams& params, const RequestLimits& limits) {
  std::vector<bool> possible(static_cast<std::size_t>(limits.sampled_vocab),
                             params.allowed_tokens.empty());
  const auto set = [&](std::span<const std::int32_t> tokens, bool value) {
    for (const std::int32_t token : tokens)
      if (token < limits.sampled_vocab) possible[static_cast<std::size_t>(token)] = value;
  };
  set(params.allowed_tokens, true);
  set(params.banned_tokens, false);
  if (params.min_tokens > 0) set(Ending(params, limits.end_tokens).tokens(), false);
  return std::find(possible.begin(), possible.end(), true) != possible.end();
}

void CheckAnyIsLeft(const SamplingParams& params, const RequestLimits& limits) {
  const bool narrows = !params.allowed_tokens.empty() || !params.banned_tokens.empty();
  if ((!narrows && params.min_tokens == 0) || AnyIsLeft(params, limits)) return;
  if (params.min_tokens > 0)
    throw BadInput(
        "no token is left: min_tokens is {}, and allowed_token_ids and banned_token_ids "
        "leave none but those that end the text; allow others, or set min_tokens to 0",
        params.min_tokens);
  throw BadInput("no token is left by allowed_token_ids and banned_token_ids; allow others");
}

void CheckLogprobs(std::optional<std::int64_t> count, std::string_view name,
                   const RequestLimits& limits) {
  if (count && (*count < 0 || *count > limits.sampled_vocab))
    throw BadInput("{} is {}; expected 0 to {}", name, *count, limits.sampled_vocab);
}

}  // namespace

std::int64_t MostCachedTokens(const Request& request) {
  const auto prompt = static_cast<std::int64_t>(request.prompt.size());
  return request.embedding ? prompt : prompt + request.sampling.max_new_tokens - 1;
}

void CheckControls(const SamplingParams& params, std::optional<std::int64_t> logprobs,
                   std::optional<std::int64_t> prompt_logprobs, const RequestLimits& limits) {
  CheckLogprobs(logprobs, "logprobs", limits);
  CheckLogprobs(prompt_logprobs, "prompt_logprobs", limits);
  CheckTokens(params, limits);
  CheckAnyIsLeft(params, limits);
}

void FitRequest(Request& request, const RequestLimits& limits) {
  CheckPrompt(request, limits);
  SamplingParams& params = request.sampling;
  if (request.generates()) Validate(params, "request");
  CheckControls(request.generates() ? params : SamplingParams{}, request.logprobs,
                request.prompt_logprobs, limits);
  if (request.generates()) {
    if (params.top_k >= limits.sampled_vocab) params.top_k = 0;
    const auto prompt = static_cast<std::int64_t>(request.prompt.size());
    params.max_new_tokens = std::min(params.max_new_tokens, limits.context_tokens - prompt);
    CheckReached(request, limits);
  }
  const std::int64_t needed = MostCachedTokens(request);
  if (needed > limits.cache_tokens)
    throw BadInput(
        "a request of {} tokens needs {} of them in the KV cache, which holds {}; shorten it or "
        "enlarge the cache",
        needed + 1, needed, limits.cache_tokens);
}

}  // namespace lockstep
