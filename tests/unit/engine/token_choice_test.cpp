// The dialogue between rank 0 and the ranks that hold a row of logits: whatever the controls, the
// number of ranks and the shape of the distribution, the choice is that with the whole row in hand.
#include "engine/sampling/token_choice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "engine/sampling/random.h"
#include "engine/sampling/sampler.h"
#include "tests/support/sliced_row.h"

namespace lockstep {
namespace {

constexpr std::int64_t kVocabulary = 3'017;

enum class Shape { kFlat, kPeaked, kRising, kTies, kFarBelow };

std::vector<float> Row(Shape shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> logits(kVocabulary);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float x = normal(random);
    switch (shape) {
      case Shape::kFlat: logits[i] = 0.5f * x; break;
      case Shape::kPeaked: logits[i] = 6.0f * x; break;
      case Shape::kRising: logits[i] = 0.01f * static_cast<float>(i); break;
      case Shape::kTies: logits[i] = std::round(2.0f * x); break;
      case Shape::kFarBelow: logits[i] = i == 77 ? 3000.0f : -2000.0f + x; break;
    }
  }
  return logits;
}

std::int32_t ChoiceOfWholeRow(const std::vector<float>& logits, const SamplingParams& params,
                              std::uint64_t position) {
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < logits.size(); ++i)
    all.push_back({static_cast<std::int32_t>(i), logits[i]});
  const NoiseKey key = NoiseAt(params.seed, params.stream, position);
  return InRaceOrder(KeepLikely(all, params), key, params.temperature).front().token;
}

std::vector<SamplingParams> ManyParams() {
  std::vector<SamplingParams> all;
  for (const double temperature : {0.05, 0.7, 1.0, 3.0}) {
    all.push_back({.temperature = temperature});
    for (const double top_p : {1e-9, 0.02, 0.5, 0.9, 0.9999})
      all.push_back({.temperature = temperature, .top_p = top_p});
    for (const double min_p : {1e-4, 0.05, 0.7, 1.0})
      all.push_back({.temperature = temperature, .min_p = min_p});
    all.push_back({.temperature = temperature, .top_p = 0.6, .min_p = 0.2});
    all.push_back({.temperature = temperature, .top_k = 40, .top_p = 0.7});
    all.push_back({.temperature = temperature, .top_k = 2000, .min_p = 0.1});
  }
  return all;
}

TEST(TokenChoice, IsThatOfTheWholeRow) {
  const auto reference = std::make_shared<Backend>(MakeBackend(BackendKind::kReference, 1));
  const auto cpu = std::make_shared<Backend>(MakeBackend(BackendKind::kCpu, 2));
  unsigned seed = 0;
  for (const Shape shape :
       {Shape::kFlat, Shape::kPeaked, Shape::kRising, Shape::kTies, Shape::kFarBelow})
    for (const SamplingParams& params : ManyParams()) {
      const std::vector<float> logits = Row(shape, ++seed);
      const Request request{.prompt = {}, .sampling = params};
      const LogitControls controls(request.sampling, {}, {});
      for (std::int64_t position = 0; position < 4; ++position) {
        const std::int32_t expected =
            ChoiceOfWholeRow(logits, params, static_cast<std::uint64_t>(position));
        for (const std::int64_t ranks : {1, 2, 3, 8}) {
          SlicedRow row(ranks == 2 ? reference : cpu, logits, ranks);
          ASSERT_EQ(row.Choose(request, controls, position).token, expected)
              << "shape " << static_cast<int>(shape) << ", seed " << seed << ", " << ranks
              << " ranks";
        }
      }
    }
}

// The likeliest token is banned, others are far below it: scales must not be taken from it.
TEST(TokenChoice, IsTakenAmongWhatIsLeftHoweverUnlikelyItWas) {
  const auto cpu = std::make_shared<Backend>(MakeBackend(BackendKind::kCpu, 1));
  const std::vector<float> logits = Row(Shape::kFarBelow, 3);
  for (const double top_p : {1.0, 0.3}) {
    const Request request{.prompt = {},
                          .sampling = {.temperature = 1.0, .top_p = top_p, .banned_tokens = {77}}};
    const LogitControls controls(request.sampling, {}, {});
    std::vector<float> left = logits;
    left[77] = -INFINITY;
    for (std::int64_t position = 0; position < 20; ++position)
      for (const std::int64_t ranks : {1, 3}) {
        SlicedRow row(cpu, logits, ranks);
        EXPECT_EQ(row.Choose(request, controls, position).token,
                  ChoiceOfWholeRow(left, request.sampling, static_cast<std::uint64_t>(position)));
      }
  }
}

// A quarter of each of four equals: top_p of a half leaves two, those with the lowest ids.
TEST(TokenChoice, LeavesTheFewestThatReachTopPExactly) {
  const auto cpu = std::make_shared<Backend>(MakeBackend(BackendKind::kCpu, 1));
  std::vector<float> logits(64, -200.0f);
  for (const std::size_t token : {9u, 20u, 40u, 60u}) logits[token] = 2.0f;
  const auto drawn = [&](const SamplingParams& params) {
    const Request request{.prompt = {}, .sampling = params};
    const LogitControls controls(request.sampling, {}, {});
    std::vector<std::int32_t> tokens;
    for (std::int64_t position = 0; position < 60; ++position) {
      SlicedRow row(cpu, logits, 2);
      tokens.push_back(row.Choose(request, controls, position).token);
    }
    std::sort(tokens.begin(), tokens.end());
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    return tokens;
  };
  using Tokens = std::vector<std::int32_t>;
  EXPECT_EQ(drawn({.temperature = 1.0, .top_p = 0.25}), (Tokens{9}));
  EXPECT_EQ(drawn({.temperature = 1.0, .top_p = 0.5}), (Tokens{9, 20}));
  EXPECT_EQ(drawn({.temperature = 1.0, .top_p = 0.51}), (Tokens{9, 20, 40}));
  EXPECT_EQ(drawn({.temperature = 1.0, .min_p = 1.0}), (Tokens{9, 20, 40, 60}));
}

TEST(TokenChoice, MostlyNeedsFewQuestions) {
  const auto cpu = std::make_shared<Backend>(MakeBackend(BackendKind::kCpu, 1));
  const auto questions = [&](Shape shape, const SamplingParams& params) {
    SlicedRow row(cpu, Row(shape, 5), 1);
    const Request request{.prompt = {}, .sampling = params};
    const LogitControls controls(request.sampling, {}, {});
    for (std::int64_t position = 0; position < 100; ++position)
      row.Choose(request, controls, position);
    return row.questions();
  };
  EXPECT_EQ(questions(Shape::kFlat, {.temperature = 1.0}), 100);
  EXPECT_EQ(questions(Shape::kFlat, {.temperature = 1.0, .top_k = 50, .top_p = 0.5}), 100);
  EXPECT_LE(questions(Shape::kFlat, {.temperature = 1.0, .min_p = 0.05}), 101);
  EXPECT_LE(questions(Shape::kFlat, {.temperature = 1.0, .top_p = 0.9}), 210);
  EXPECT_LE(questions(Shape::kPeaked, {.temperature = 1.0, .top_p = 0.9}), 210);
  EXPECT_LE(questions(Shape::kFlat, {.temperature = 1.0, .top_p = 0.001}), 1200);
}

TEST(TokenChoice, NeverTakesPadding) {
  const auto cpu = std::make_shared<Backend>(MakeBackend(BackendKind::kCpu, 1));
  std::vector<float> logits(100, 0.0f);
  for (std::size_t i = 90; i < 100; ++i) logits[i] = 50.0f;
  for (const SamplingParams& params : ManyParams()) {
    const Request request{.prompt = {}, .sampling = params};
    const LogitControls controls(request.sampling, {}, {});
    for (const std::int64_t ranks : {1, 8}) {
      SlicedRow row(cpu, logits, ranks);
      row.set_limit(90);
      EXPECT_LT(row.Choose(request, controls, 3).token, 90);
    }
  }
}

}  // namespace
}  // namespace lockstep
