#include "engine/sampling/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "core/error.h"
#include "engine/sampling/random.h"

namespace lockstep {
namespace {

constexpr int kDraws = 20000;

std::vector<Candidate> Possible(const std::vector<float>& logits) {
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < logits.size(); ++i)
    candidates.push_back({static_cast<std::int32_t>(i), logits[i]});
  return candidates;
}

std::int32_t SampleToken(const std::vector<float>& logits, const SamplingParams& params,
                         std::uint64_t position) {
  return InRaceOrder(KeepLikely(Possible(logits), params),
                     NoiseAt(params.seed, params.stream, position), params.temperature)
      .front()
      .token;
}

// How often each token comes, over kDraws positions.
std::map<std::int32_t, int> Draw(const std::vector<float>& logits, const SamplingParams& params) {
  std::map<std::int32_t, int> counts;
  for (std::uint64_t position = 0; position < kDraws; ++position)
    ++counts[SampleToken(logits, params, position)];
  return counts;
}

std::set<std::int32_t> Tokens(const std::map<std::int32_t, int>& counts) {
  std::set<std::int32_t> tokens;
  for (const auto& [token, count] : counts) tokens.insert(token);
  return tokens;
}

const std::vector<float> kLogits{1.0f, 3.0f, 2.0f, 2.0f, -1.0f};

TEST(Sampler, DrawsWithTheSoftmaxsFrequencies) {
  for (const double temperature : {0.5, 1.0, 2.0}) {
    const auto counts = Draw(kLogits, {.temperature = temperature, .seed = 11});
    double sum = 0.0, chi_square = 0.0;
    for (const float logit : kLogits) sum += std::exp(logit / temperature);
    for (std::size_t id = 0; id < kLogits.size(); ++id) {
      const double expected = kDraws * std::exp(kLogits[id] / temperature) / sum;
      const auto found = counts.find(static_cast<std::int32_t>(id));
      const double difference = (found == counts.end() ? 0 : found->second) - expected;
      chi_square += difference * difference / expected;
    }
    EXPECT_LT(chi_square, 23.5) << temperature;  // 4 degrees of freedom, p = 0.0001
  }
}

TEST(Sampler, TopKKeepsTheMostLikelyAndTheirTies) {
  EXPECT_EQ(Tokens(Draw(kLogits, {.temperature = 1.0, .top_k = 1})), (std::set{1}));
  EXPECT_EQ(Tokens(Draw(kLogits, {.temperature = 1.0, .top_k = 2})), (std::set{1, 2, 3}));
  EXPECT_EQ(Tokens(Draw(kLogits, {.temperature = 3.0, .top_k = 9})), (std::set{0, 1, 2, 3, 4}));
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  // Probabilities 0.53, 0.19, 0.19, 0.07, 0.01 of tokens 1, 2, 3, 0, 4.
  EXPECT_EQ(Tokens(Draw(kLogits, {.temperature = 1.0, .top_p = 0.4})), (std::set{1}));
  EXPECT_EQ(Tokens(Draw(kLogits, {.temperature = 1.0, .top_p = 0.6})), (std::set{1, 2}));
  EXPECT_EQ(Tokens(Draw(kLogits, {.temperature = 1.0, .top_p = 0.9})), (std::set{1, 2, 3}));
  // Exactly half of the mass is enough.
  const std::vector<float> equal(4, 0.0f);
  EXPECT_EQ(Tokens(Draw(equal, {.temperature = 1.0, .top_p = 0.5})), (std::set{0, 1}));
}

TEST(Sampler, IsAPureFunctionOfSeedStreamAndPosition) {
  const SamplingParams params{.temperature = 1.0, .seed = 5, .stream = 2};
  SamplingParams other_stream = params;
  other_stream.stream = 3;
  bool differs = false;
  for (std::uint64_t position = 0; position < 100; ++position) {
    EXPECT_EQ(SampleToken(kLogits, params, position), SampleToken(kLogits, params, position));
    differs |=
        SampleToken(kLogits, params, position) != SampleToken(kLogits, other_stream, position);
  }
  EXPECT_TRUE(differs);
}

TEST(SamplingParams, AreRefusedWithTheFieldsName) {
  const auto message = [](const SamplingParams& params) -> std::string {
    try {
      Validate(params, "line 3");
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message({}), "accepted");
  EXPECT_EQ(message({.max_new_tokens = 0}), "line 3: max_new_tokens is 0; expected 1 or more");
  EXPECT_EQ(message({.temperature = -1}),
            "line 3: temperature is -1; expected 0 (greedy) or 1e-06 to 1000000");
  EXPECT_EQ(message({.top_k = -1}), "line 3: top_k is -1; expected 0 (off) or more");
  EXPECT_EQ(message({.top_p = 0}), "line 3: top_p is 0; expected 1e-09 to 1 (off)");
}

}  // namespace
}  // namespace lockstep
