#include "engine/choose_token.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "engine/sampler.h"

namespace lockstep {
namespace {

// Beyond this a whole row is sent and searched about as fast.
constexpr std::int64_t kMostCandidates = 1024;

bool NeedsWholeRow(const SamplingParams& params, std::int64_t generated_count) {
  if (NeedsAdjusting(params, generated_count)) return true;
  return params.temperature > 0.0 && (params.top_k == 0 || params.top_k > kMostCandidates);
}

std::int32_t Choose(std::vector<Candidate> candidates, const SamplingParams& params,
                    std::int64_t position) {
  if (params.temperature > 0.0) return SampleToken(std::move(candidates), params, position);
  return std::min_element(candidates.begin(), candidates.end(), IsLikelier)->token;
}

float LogitOf(const RowResult& row, std::int32_t token) {
  if (!row.logits.empty()) return row.logits[static_cast<std::size_t>(token)];
  const auto found = std::find_if(row.likeliest.begin(), row.likeliest.end(),
                                  [&](const Candidate& one) { return one.token == token; });
  LOCKSTEP_CHECK(found != row.likeliest.end(), "token {} is none of the candidates", token);
  return found->logit;
}

TokenLogprob Describe(const RowResult& row, std::int32_t token, float logit, std::int64_t count) {
  const auto logprob = [&](float of) { return static_cast<float>(of - row.log_sum_exp); };
  TokenLogprob described{
      .token = token, .logprob = logprob(logit), .top = row.argmax, .likeliest = {}};
  const auto most = std::min(row.likeliest.size(), static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < most; ++i)
    described.likeliest.emplace_back(row.likeliest[i].token, logprob(row.likeliest[i].logit));
  return described;
}

}  // namespace

RowRequest RowForChoice(const Request& request, std::int64_t generated_count) {
  const SamplingParams& params = request.sampling;
  RowRequest row;
  row.whole_row = NeedsWholeRow(params, generated_count);
  // Of one alone a rank names no others that are as likely; a greedy choice takes the first of
  // them.
  constexpr std::int64_t kWithTies = 2;
  if (!row.whole_row)
    row.likeliest = params.temperature > 0.0 ? std::max(kWithTies, params.top_k) : 1;
  row.likeliest = std::max(row.likeliest, request.logprobs.value_or(0));
  return row;
}

TokenEvent ChooseToken(const RowResult& row, const Request& request, const History& history) {
  const SamplingParams& params = request.sampling;
  const auto position = static_cast<std::int64_t>(history.prompt.size() + history.generated.size());
  std::vector<Candidate> candidates = row.likeliest;
  if (!row.logits.empty()) {
    std::vector<float> logits = row.logits;
    AdjustLogits(logits, params, history);
    candidates = Possible(logits);
  }
  if (candidates.empty())
    return {.request = request.id,
            .finish = FinishReason::kError,
            .error =
                "no token is left to choose from: allowed_token_ids, banned_token_ids and "
                "min_tokens exclude all; allow more"};
  TokenEvent event{.request = request.id, .token = Choose(std::move(candidates), params, position)};
  if (request.logprobs)
    event.logprob = Describe(row, event.token, LogitOf(row, event.token), *request.logprobs);
  return event;
}

RowRequest RowForPrompt(const Request& request, std::int32_t following) {
  return {.target = following, .likeliest = request.prompt_logprobs.value_or(0)};
}

TokenLogprob PromptLogprob(const RowResult& row, const Request& request, std::int32_t following) {
  return Describe(row, following, row.target, request.prompt_logprobs.value_or(0));
}

}  // namespace lockstep
