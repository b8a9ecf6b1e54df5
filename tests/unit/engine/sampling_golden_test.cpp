// Every sampling control against transformers and numpy (tests/golden/make_sampling_goldens.py):
// the same tokens are left, with the same probabilities, and they are drawn that often.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/files/file.h"
#include "core/json.h"
#include "engine/sampling/logit_controls.h"
#include "engine/sampling/random.h"
#include "engine/sampling/sampler.h"
#include "tests/support/sliced_row.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

struct Choice {
  std::int32_t token = 0;
  double probability = 0.0;
};

struct Case {
  std::vector<float> logits;
  SamplingParams params;
  std::vector<std::int32_t> prompt;
  std::vector<std::int32_t> generated;
  std::vector<std::int32_t> ending;
  std::vector<Choice> expected;

  LogitControls Controls() const {
    LogitControls controls(params, prompt, ending);
    for (const std::int32_t token : generated) controls.Add(token);
    return controls;
  }
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

// All tokens that are possible, with the logits that the controls leave them.
std::vector<Candidate> Adjusted(const Case& one) {
  const LogitControls controls = one.Controls();
  std::vector<float> logits = one.logits;
  std::vector<Candidate> taken, rest;
  for (const std::int32_t token : controls.Taken()) {
    if (token < 0 || token >= std::ssize(logits)) continue;
    taken.push_back({token, std::exchange(logits[static_cast<std::size_t>(token)], -INFINITY)});
  }
  for (std::size_t i = 0; i < logits.size() && !controls.only_taken(); ++i)
    if (std::isfinite(logits[i])) rest.push_back({static_cast<std::int32_t>(i), logits[i]});
  const std::vector<Candidate> adjusted = controls.Adjust(taken);
  rest.insert(rest.end(), adjusted.begin(), adjusted.end());
  return rest;
}

void ExpectChoices(const std::vector<Candidate>& kept, const Case& one) {
  std::map<std::int32_t, double> probabilities;
  double sum = 0.0;
  for (const Candidate& token : kept)
    sum += probabilities[token.token] =
        WeightBeside(token, {one.expected.front().token, 0.0f}, one.params.temperature);
  ASSERT_EQ(kept.size(), one.expected.size());
  for (const Choice& choice : one.expected) {
    ASSERT_TRUE(probabilities.contains(choice.token)) << choice.token;
    EXPECT_NEAR(probabilities[choice.token] / sum, choice.probability, 2e-6) << choice.token;
  }
}

TEST(SamplingGolden, EveryControlLeavesTheTokensAndProbabilitiesOfTheReference) {
  const std::vector<Case> cases = LoadCases();
  ASSERT_GE(cases.size(), 200u);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    const Case& one = cases[i];
    const std::vector<Candidate> possible = Adjusted(one);
    if (one.params.temperature == 0.0) {
      EXPECT_EQ(std::min_element(possible.begin(), possible.end(), IsLikelier)->token,
                one.expected.front().token);
    } else {
      ExpectChoices(KeepLikely(possible, one.params), one);
    }
  }
}

// What ranks answer is enough: the choice is that with the whole row in hand, however many hold it.
TEST(SamplingGolden, RanksComeToTheChoiceOfTheWholeRow) {
  const std::vector<Case> cases = LoadCases();
  for (const BackendKind kind : {BackendKind::kReference, BackendKind::kCpu}) {
    const auto backend = std::make_shared<Backend>(MakeBackend(kind, 1));
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const Case& one = cases[i];
      Request request{.id = 7, .prompt = one.prompt, .sampling = one.params, .logprobs = 2};
      const LogitControls controls(one.Controls());
      const std::vector<Candidate> possible = Adjusted(one);
      const std::vector<Candidate> kept =
          one.params.temperature > 0.0 ? KeepLikely(possible, one.params) : possible;
      for (const std::int64_t ranks : {1, 2, 3})
        for (std::int64_t position = 0; position < 12; ++position) {
          SlicedRow row(backend, one.logits, ranks);
          const TokenEvent event = row.Choose(request, controls, position);
          const auto key =
              NoiseAt(one.params.seed, one.params.stream, static_cast<std::uint64_t>(position));
          const std::int32_t expected =
              one.params.temperature > 0.0
                  ? InRaceOrder(kept, key, one.params.temperature).front().token
                  : std::min_element(kept.begin(), kept.end(), IsLikelier)->token;
          ASSERT_EQ(event.token, expected) << "case " << i << ", " << ranks << " ranks";
          // Log-probabilities are those before the controls.
          double sum = 0.0;
          for (const float logit : one.logits) sum += std::exp(static_cast<double>(logit));
          EXPECT_NEAR(event.logprob->logprob,
                      one.logits[static_cast<std::size_t>(event.token)] - std::log(sum), 1e-5);
          const auto likeliest = Likeliest(one.logits, 2, 0);
          ASSERT_EQ(event.logprob->likeliest.size(), 2u);
          for (std::size_t n = 0; n < 2; ++n)
            EXPECT_EQ(event.logprob->likeliest[n].first, likeliest[n].token) << "case " << i;
        }
    }
  }
}

TEST(SamplingGolden, DrawsHaveTheFrequenciesOfTheReference) {
  constexpr int kDraws = 5'000;
  const std::vector<Case> cases = LoadCases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& one = cases[i];
    if (one.params.temperature == 0.0) continue;
    const std::vector<Candidate> kept = KeepLikely(Adjusted(one), one.params);
    std::map<std::int32_t, int> counts;
    for (std::uint64_t position = 0; position < kDraws; ++position)
      ++counts[InRaceOrder(kept, NoiseAt(i, 5, position), one.params.temperature).front().token];
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

TEST(LogitControls, LeaveNothingWhenOnlyTheEndingIsAllowedAndTooEarly) {
  const SamplingParams params{.allowed_tokens = {3}, .min_tokens = 5};
  const std::vector<std::int32_t> ending{3};
  LogitControls controls(params, {}, ending);
  EXPECT_TRUE(controls.Taken().empty());
  for (int i = 0; i < 5; ++i) controls.Add(3);
  EXPECT_EQ(controls.Taken(), ending);
  EXPECT_EQ(controls.Adjust(std::vector<Candidate>{{3, 1.0f}}).size(), 1u);
}

TEST(LogitControls, KeepNumbersFiniteWhateverThePenalty) {
  const SamplingParams params{.repetition_penalty = 1e-38};
  const std::vector<std::int32_t> prompt{4};
  const LogitControls controls(params, prompt, {});
  const auto adjusted = controls.Adjust(std::vector<Candidate>{{4, 100.0f}});
  ASSERT_EQ(adjusted.size(), 1u);
  EXPECT_TRUE(std::isfinite(adjusted[0].logit));
}

TEST(Likeliest, GivesTiesOfTheLastAndTakesNanForImpossible) {
  const std::vector<float> logits{1.0f, NAN, 3.0f, 1.0f, -INFINITY};
  EXPECT_EQ(Likeliest(logits, 2, 10), (std::vector<Candidate>{{12, 3.0f}, {10, 1.0f}, {13, 1.0f}}));
  EXPECT_EQ(Likeliest(logits, 9, 0).size(), 5u);
  EXPECT_TRUE(Likeliest({}, 3, 0).empty());
  EXPECT_EQ(MergeTopLogits({{4, 1.0f}, {9, 2.0f}, {1, 1.0f}, {7, 0.0f}}, 2),
            (std::vector<Candidate>{{9, 2.0f}, {1, 1.0f}, {4, 1.0f}}));
}

}  // namespace
}  // namespace lockstep
