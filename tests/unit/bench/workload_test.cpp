#include "bench/load/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "bench/load/replay.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

LoadOptions Uniform() {
  LoadOptions options;
  options.prompt_tokens = {.kind = LengthDistribution::Kind::kUniform, .first = 10, .last = 20};
  options.output_tokens = {
      .kind = LengthDistribution::Kind::kLognormal, .first = 100, .last = 400, .sigma = 0.5};
  options.seed = 7;
  return options;
}

TEST(Workload, IsAFunctionOfSeedRoundAndNumber) {
  const Workload load(Uniform());
  const Workload same(Uniform());
  LoadOptions other_options = Uniform();
  other_options.seed = 8;
  const Workload other(other_options);
  EXPECT_EQ(load.Make(0, 5).tokens, same.Make(0, 5).tokens);
  EXPECT_EQ(load.Make(0, 5).output_tokens, same.Make(0, 5).output_tokens);
  EXPECT_NE(load.Make(0, 5).tokens, load.Make(0, 6).tokens);
  EXPECT_NE(load.Make(0, 5).tokens, load.Make(1, 5).tokens);
  EXPECT_NE(load.Make(0, 5).tokens, load.Make(1, 4).tokens);
  EXPECT_NE(load.Make(0, 5).tokens, other.Make(0, 5).tokens);
}

TEST(Workload, KeepsItsLengthsWithinTheirBounds) {
  const Workload load(Uniform());
  std::vector<std::int64_t> prompts;
  std::vector<std::int64_t> outputs;
  for (std::int64_t i = 0; i < 2000; ++i) {
    const LoadRequest request = load.Make(0, i);
    EXPECT_EQ(static_cast<std::int64_t>(request.tokens.size()), request.prompt_tokens);
    EXPECT_THAT(request.tokens, Each(testing::AllOf(testing::Ge(300), testing::Le(500))));
    prompts.push_back(request.prompt_tokens);
    outputs.push_back(request.output_tokens);
  }
  EXPECT_EQ(*std::min_element(prompts.begin(), prompts.end()), 10);
  EXPECT_EQ(*std::max_element(prompts.begin(), prompts.end()), 20);
  EXPECT_LE(*std::max_element(outputs.begin(), outputs.end()), 400);
  EXPECT_GE(*std::min_element(outputs.begin(), outputs.end()), 1);
  std::sort(outputs.begin(), outputs.end());
  EXPECT_NEAR(static_cast<double>(outputs[1000]), 100.0, 6.0);  // the median
  // One standard deviation of the logarithm above it.
  EXPECT_NEAR(static_cast<double>(outputs[1683]), 100.0 * std::exp(0.5), 12.0);
}

TEST(Workload, WritesTextsOfAsManyWordsAsTheTokenizerNeeds) {
  LoadOptions options;
  options.prompt_form = PromptForm::kText;
  options.prompt_tokens = {.first = 60, .last = 60};
  Workload load(options);
  const auto words = [](const LoadRequest& request) {
    return std::count(request.text.begin(), request.text.end(), ' ');
  };
  EXPECT_EQ(words(load.Make(0, 0)), 60);
  EXPECT_TRUE(load.Make(0, 0).tokens.empty());
  load.set_tokens_per_word(2.0);
  EXPECT_EQ(words(load.Make(0, 0)), 30);
}

// Mean and deviation of the pauses, in units of the mean.
double VariationOf(const std::vector<double>& times) {
  double before = 0.0;
  double squares = 0.0;
  const double mean = times.back() / static_cast<double>(times.size());
  for (const double time : times) {
    squares += (time - before - mean) * (time - before - mean);
    before = time;
  }
  return std::sqrt(squares / static_cast<double>(times.size())) / mean;
}

TEST(Arrivals, EndAtTheirNumberOverTheRate) {
  for (const double burstiness : {0.25, 1.0, 4.0}) {
    const auto times =
        ArrivalTimes({.rate = 5.0, .burstiness = burstiness, .count = 4000, .seed = 3});
    EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
    EXPECT_NEAR(times.back(), 800.0, 1e-9);
    // Of a gamma distribution the deviation is the mean over the root of its shape.
    EXPECT_NEAR(VariationOf(times), 1.0 / std::sqrt(burstiness), 0.1 / std::sqrt(burstiness));
  }
}

TEST(Arrivals, AreEvenWhereBurstinessIsInfinite) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(ArrivalTimes({.rate = 2.0, .burstiness = kInfinity, .count = 3}),
              ElementsAre(0.5, 1.0, 1.5));
  EXPECT_THAT(ArrivalTimes({.rate = kInfinity, .count = 3}), Each(0.0));
  EXPECT_TRUE(ArrivalTimes({.rate = 2.0, .count = 0}).empty());
}

TEST(Arrivals, DependOnTheSeed) {
  const ArrivalOptions one{.rate = 2.0, .count = 9, .seed = 1};
  const ArrivalOptions two{.rate = 2.0, .count = 9, .seed = 2};
  EXPECT_EQ(ArrivalTimes(one), ArrivalTimes(one));
  EXPECT_NE(ArrivalTimes(one), ArrivalTimes(two));
}

ReplayedLoad Replay(std::string_view lines) {
  return ParseReplay(lines, "t.jsonl", Workload(LoadOptions{}));
}

TEST(Replay, TakesPromptsIdsAndLengths) {
  const ReplayedLoad load = Replay(
      "{\"arrival_s\": 11.5, \"prompt\": \"To be\", \"output_tokens\": 3}\n\n"
      "{\"timestamp\": 10000, \"input_length\": 7, \"output_length\": 5, \"hash_ids\": [1]}\r\n"
      "{\"arrival_s\": 10.5, \"tokens\": [4, 5], \"output_tokens\": 1}");
  EXPECT_THAT(load.arrivals, ElementsAre(0.0, 0.5, 1.5));  // by time, from the first one
  EXPECT_EQ(load.requests[0].tokens.size(), 7u);
  EXPECT_EQ(load.requests[0].output_tokens, 5);
  EXPECT_THAT(load.requests[1].tokens, ElementsAre(4, 5));
  EXPECT_EQ(load.requests[2].text, "To be");
  EXPECT_TRUE(load.requests[2].tokens.empty());
}

TEST(Replay, NamesTheLineThatIsWrong) {
  const auto message = [](const std::string& line) {
    return MessageOf(
        [&] { Replay("{\"arrival_s\": 0, \"tokens\": [1], \"output_tokens\": 1}\n" + line); });
  };
  EXPECT_THAT(message("{"), HasSubstr("t.jsonl:2"));
  EXPECT_THAT(message("[1]"), HasSubstr("t.jsonl:2: [1]; expected an object"));
  EXPECT_THAT(message("{\"arrival_s\": 1, \"tokens\": [1]}"), HasSubstr("no \"output_tokens\""));
  EXPECT_THAT(message("{\"tokens\": [1], \"output_tokens\": 1}"), HasSubstr("no arrival time"));
  EXPECT_THAT(message("{\"arrival_s\": 1, \"output_tokens\": 1}"), HasSubstr("no prompt"));
  EXPECT_THAT(message("{\"arrival_s\": 1, \"tokens\": [-1], \"output_tokens\": 1}"),
              HasSubstr("expected token ids"));
  EXPECT_THAT(message("{\"arrival_s\": 1, \"prompt_tokens\": 0, \"output_tokens\": 1}"),
              HasSubstr("0 tokens; expected from 1"));
  EXPECT_THAT(MessageOf([] { Replay("\n"); }), HasSubstr("t.jsonl: no request in it"));
}

}  // namespace
}  // namespace lockstep
