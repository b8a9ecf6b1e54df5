// Every sampling control against transformers and numpy (tests/golden/make_sampling_goldens.py):
// the same tokens are left, with the same probabilities, and they are drawn that often.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/file.h"
#include "core/json.h"
#include "engine/adjust_logits.h"
#include "engine/choose_token.h"
#include "engine/sampler.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

struct Case {
  std::vector<float> logits;
  SamplingParams params;
  std::vector<std::int32_t> prompt;
  std::vector<std::int32_t> generated;
  std::vector<std::int32_t> ending;
  std::vector<Choice> expected;

  History history() const { return {prompt, generated, ending}; }
};

SamplingParams ReadParams(const Json& json) {
  SamplingParams params;
  params.temperature = json.value("temperature", 0.0);
  params.top_k = json.value("top_k", std::int64_t{0});
  params.top_p = json.value("top_p", 1.0);
  params.min_p = json.value("min_p", 0.0);
  params.repetition_penalty = json.value("repetition_penalty", 1.0);
  params.presence_penalty = json.value("presence_penalty", 0.0);
  params.frequency_penalty = json.value("frequency_penalty", 0.0);
  params.min_tokens = json.value("min_tokens", std::int64_t{0});
  params.allowed_tokens = json.value("allowed_token_ids", std::vector<std::int32_t>{});
  params.banned_tokens = json.value("banned_token_ids", std::vector<std::int32_t>{});
  params.stop_tokens = json.value("stop_token_ids", std::vector<std::int32_t>{});
  const Json biases = json.value("logit_bias", Json::object());
  for (const auto& [token, bias] : biases.items())
    params.logit_bias.emplace_back(std::stoi(token), bias.get<double>());
  return params;
}

std::vector<Case> LoadCases() {
  const auto path = SourceFolder() / "tests/golden/sampling/cases.json";
  const Json json = ParseJson(ReadFile(path), path.string());
  std::vector<Case> cases;
  for (const Json& entry : json.at("cases")) {
    Case one{entry.at("logits"),
             ReadParams(entry.at("params")),
             entry.at("prompt"),
             entry.at("generated"),
             {},
             {}};
    one.ending = one.params.stop_tokens;
    one.ending.push_back(json.at("eos"));
    for (const Json& choice : entry.at("expected"))
      one.expected.push_back({choice.at(0), choice.at(1)});
    cases.push_back(std::move(one));
  }
  return cases;
}

std::vector<float> Adjusted(const Case& one) {
  std::vector<float> logits = one.logits;
  if (NeedsAdjusting(one.params, static_cast<std::int64_t>(one.generated.size())))
    AdjustLogits(logits, one.params, one.history());
  return logits;
}

void ExpectChoices(const std::vector<Choice>& found, const Case& one) {
  std::map<std::int32_t, double> probabilities;
  for (const Choice& choice : found) probabilities[choice.token] = choice.probability;
  ASSERT_EQ(found.size(), one.expected.size());
  for (const Choice& choice : one.expected) {
    ASSERT_TRUE(probabilities.contains(choice.token)) << choice.token;
    EXPECT_NEAR(probabilities[choice.token], choice.probability, 2e-6) << choice.token;
  }
}

TEST(SamplingGolden, EveryControlLeavesTheTokensAndProbabilitiesOfTheReference) {
  const std::vector<Case> cases = LoadCases();
  ASSERT_GE(cases.size(), 200u);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    const Case& one = cases[i];
    const std::vector<float> logits = Adjusted(one);
    if (one.params.temperature == 0.0) {
      EXPECT_EQ(Likeliest(logits, 1, 0).front().token, one.expected.front().token);
    } else {
      ExpectChoices(Choices(Possible(logits), one.params), one);
    }
  }
}

// What a step sends instead of the whole row is enough.
TEST(SamplingGolden, TheLikeliestTokensGiveTheSameChoiceAsTheWholeRow) {
  int compared = 0;
  for (const Case& one : LoadCases()) {
    Request request{.id = 7, .prompt = one.prompt, .sampling = one.params, .logprobs = 2};
    const auto count = static_cast<std::int64_t>(one.generated.size());
    const RowRequest wanted = RowForChoice(request, count);
    RowResult part{.likeliest = Likeliest(one.logits, wanted.likeliest, 0), .logits = {}};
    if (wanted.whole_row) part.logits = one.logits;
    RowResult whole{.likeliest = Likeliest(one.logits, 2, 0), .logits = one.logits};
    for (request.sampling.seed = 0; request.sampling.seed < 20; ++request.sampling.seed) {
      const TokenEvent a = ChooseToken(part, request, one.history());
      const TokenEvent b = ChooseToken(whole, request, one.history());
      EXPECT_EQ(a.token, b.token);
      EXPECT_EQ(a.logprob->logprob, b.logprob->logprob);
      EXPECT_EQ(a.logprob->likeliest, b.logprob->likeliest);
    }
    compared += wanted.whole_row ? 0 : 1;
  }
  EXPECT_GE(compared, 10) << "too few that do without whole rows";
}

TEST(SamplingGolden, DrawsHaveTheFrequenciesOfTheReference) {
  constexpr int kDraws = 5'000;
  const std::vector<Case> cases = LoadCases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& one = cases[i];
    if (one.params.temperature == 0.0) continue;
    const std::vector<Candidate> candidates = Possible(Adjusted(one));
    std::map<std::int32_t, int> counts;
    for (int position = 0; position < kDraws; ++position)
      ++counts[SampleToken(candidates, one.params, position)];
    double chi_square = 0.0, rest = 0.0;
    int classes = 0, rest_count = 0, drawn = 0;
    for (const Choice& choice : one.expected) {
      const double expected = kDraws * choice.probability;
      const int count = counts[choice.token];
      drawn += count;
      if (expected < 8.0) {  // too rare for a class of its own
        rest += expected;
        rest_count += count;
        continue;
      }
      chi_square += (count - expected) * (count - expected) / expected;
      ++classes;
    }
    EXPECT_EQ(drawn, kDraws) << "case " << i << " drew what is not possible";
    if (rest >= 1.0) chi_square += (rest_count - rest) * (rest_count - rest) / rest, ++classes;
    // Five standard deviations above the mean of the distribution, and room for few classes.
    EXPECT_LT(chi_square, classes + 5.0 * std::sqrt(2.0 * classes) + 10.0) << "case " << i;
  }
}

TEST(AdjustLogits, LeavesNothingWhenOnlyTheEndingIsAllowedAndTooEarly) {
  std::vector<float> logits(8, 1.0f);
  const std::vector<std::int32_t> ending{3};
  AdjustLogits(logits, {.allowed_tokens = {3}, .min_tokens = 5},
               {.prompt = {}, .generated = {}, .ending = ending});
  EXPECT_TRUE(Possible(logits).empty());
}

TEST(Likeliest, GivesTiesOfTheLastAndTakesNanForImpossible) {
  const std::vector<float> logits{1.0f, NAN, 3.0f, 1.0f, -INFINITY};
  EXPECT_EQ(Likeliest(logits, 2, 10), (std::vector<Candidate>{{12, 3.0f}, {10, 1.0f}, {13, 1.0f}}));
  EXPECT_EQ(Likeliest(logits, 9, 0).size(), 5u);
  EXPECT_TRUE(Likeliest({}, 3, 0).empty());
  EXPECT_EQ(MergeLikeliest({{4, 1.0f}, {9, 2.0f}, {1, 1.0f}, {7, 0.0f}}, 2),
            (std::vector<Candidate>{{9, 2.0f}, {1, 1.0f}, {4, 1.0f}}));
}

}  // namespace
}  // namespace lockstep
