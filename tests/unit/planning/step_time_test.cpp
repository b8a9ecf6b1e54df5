#include "planning/time/step_time.h"

#include <gtest/gtest.h>

#include <array>

#include "planning/time/phases.h"
#include "tests/unit/planning/planning_fixture.h"

namespace lockstep {
namespace {

constexpr std::array kOneToken = {StepTokens{.new_tokens = 1, .start = 99, .logit_rows = 1}};

// GPT-J: 28 x 12 x 4096^2 in the blocks, 50400 x 4096 in the head.
constexpr double kBlocks = 28.0 * 12 * 4096 * 4096;
constexpr double kHead = 50400.0 * 4096;

TEST(StepModel, CountsWhatAStepNeeds) {
  const StepWork work = StepModel(GptJ6B(), {}).WorkOf(kOneToken);
  EXPECT_NEAR(work.weight_bytes, 2 * (kBlocks + kHead), 5e6);  // and vectors in fp32
  EXPECT_DOUBLE_EQ(work.cache_bytes, 2.0 * 2 * 28 * 4096 * 100);
  EXPECT_DOUBLE_EQ(work.product_operations, 2 * (kBlocks + kHead));
  EXPECT_DOUBLE_EQ(work.attention_operations, 2.0 * 2 * 28 * 4096 * 100);
  EXPECT_DOUBLE_EQ(work.activation_bytes, 8.0 * 28 * (4 * 4096 + 4 * 4096 + 16384));
  EXPECT_DOUBLE_EQ(work.blocks, 28.0);
  EXPECT_DOUBLE_EQ(work.reduces, 0.0);
}

TEST(StepModel, DividesTheWorkAndAddsSums) {
  const StepWork one = StepModel(GptJ6B(), {}).WorkOf(kOneToken);
  const StepWork four = StepModel(GptJ6B(), {.tp = 4}).WorkOf(kOneToken);
  EXPECT_NEAR(four.product_operations, one.product_operations / 4, 1.0);
  EXPECT_DOUBLE_EQ(four.cache_bytes, one.cache_bytes / 4);
  EXPECT_DOUBLE_EQ(four.reduces, 29.0);
  EXPECT_DOUBLE_EQ(four.reduce_bytes, 4.0 * 4096);
}

TEST(StepModel, CutsTheWorkIntoStages) {
  const StepWork whole = StepModel(GptJ6B(), {.tp = 2}).WorkOf(kOneToken);
  const StepModel model(GptJ6B(), {.tp = 2, .pp = 3});
  StepWork sum;
  for (int stage = 0; stage < 3; ++stage) {
    const StepWork one = model.WorkOf(kOneToken, stage);
    sum.weight_bytes += one.weight_bytes;
    sum.cache_bytes += one.cache_bytes;
    sum.product_operations += one.product_operations;
    sum.activation_bytes += one.activation_bytes;
    sum.blocks += one.blocks;
    sum.reduces += one.reduces;
    EXPECT_DOUBLE_EQ(one.given_bytes, stage == 2 ? 0.0 : 4.0 * 4096);
  }
  EXPECT_DOUBLE_EQ(sum.weight_bytes, whole.weight_bytes);
  EXPECT_DOUBLE_EQ(sum.cache_bytes, whole.cache_bytes);
  EXPECT_DOUBLE_EQ(sum.product_operations, whole.product_operations);
  EXPECT_DOUBLE_EQ(sum.activation_bytes, whole.activation_bytes);
  EXPECT_DOUBLE_EQ(sum.blocks, whole.blocks);
  EXPECT_DOUBLE_EQ(sum.reduces, whole.reduces);
}

RankRates PlainRates() {
  RankRates rates;
  rates.weights = rates.cache = rates.activations = 1e9;
  rates.products = rates.attention = 1e12;
  return rates;
}

TEST(TimeOf, TakesTheLongerOfReadingAndMultiplying) {
  const StepWork reading{.weight_bytes = 2e9, .product_operations = 1e12};
  const StepWork multiplying{.weight_bytes = 1e9, .product_operations = 3e12};
  EXPECT_DOUBLE_EQ(TimeOf(reading, PlainRates()).total(), 2.0);
  EXPECT_DOUBLE_EQ(TimeOf(multiplying, PlainRates()).total(), 3.0);
  RankRates half = PlainRates();
  half.overlap = 0.5;
  EXPECT_DOUBLE_EQ(TimeOf(reading, half).total(), 2.5);
  EXPECT_DOUBLE_EQ(TimeOf(multiplying, half).total(), 3.5);
}

TEST(TimeOf, AddsEverythingElse) {
  RankRates rates = PlainRates();
  rates.overhead = {.block = 1e-3, .step = 5e-3};
  rates.share = ShareOf(RoundHost(), {.tp = 2, .threads = 1});
  const StepWork work{.cache_bytes = 1e9,
                      .attention_operations = 2e12,
                      .activation_bytes = 3e9,
                      .blocks = 10,
                      .reduces = 11,
                      .reduce_bytes = 5e6};
  const StepTime time = TimeOf(work, rates);
  EXPECT_DOUBLE_EQ(time.cache, 1.0);
  EXPECT_DOUBLE_EQ(time.attention, 2.0);
  EXPECT_DOUBLE_EQ(time.activations, 3.0);
  EXPECT_DOUBLE_EQ(time.overhead, 0.015);
  // Two ranks on two sockets, and two small messages beside the sums.
  EXPECT_DOUBLE_EQ(time.sums, 11 * (2e-6 + 5e6 / 5e9) + 2 * 2e-6);
  EXPECT_DOUBLE_EQ(time.total(), 6.015 + time.sums);
}

// A stage of so many seconds.
StepWork Reading(double seconds) { return {.weight_bytes = seconds * 1e9, .given_bytes = 1e6}; }

TEST(TimeOf, OfStagesIsThatOfTheSlowest) {
  RankRates rates = PlainRates();
  rates.share.next_stage = Link{.latency = 0.25, .bandwidth = 4e6};
  const auto seconds = [&](std::vector<std::optional<StepWork>> stages) {
    return TimeOf(stages, rates).total();
  };
  EXPECT_DOUBLE_EQ(seconds({Reading(3), Reading(2)}), 3.5);
  EXPECT_DOUBLE_EQ(seconds({std::nullopt, Reading(2)}), 2.5);
  EXPECT_DOUBLE_EQ(seconds({Reading(1), std::nullopt, Reading(2)}), 3.0) << "in two turns";
}

TEST(TimeOf, OfAPipelineCountsItsFillingAndItsRounds) {
  const RankRates rates = PlainRates();
  RepeatedWork one{.work = Reading(1), .steps = 5, .later = {Reading(2), Reading(4)}};
  // 1, 2, then the third stage is the slowest, 3 full steps and 2 until the last has left it.
  EXPECT_DOUBLE_EQ(TimeOf({one}, rates).total(), 1 + 2 + 5 * 4);
  one.steps = 1;
  EXPECT_DOUBLE_EQ(TimeOf({one}, rates).total(), 1 + 2 + 4) << "one batch alone";
  one.going_round = 1;
  one.steps = 10;
  EXPECT_DOUBLE_EQ(TimeOf({one}, rates).total(), 10 * (1 + 2 + 4));
  one.going_round = 2;
  EXPECT_DOUBLE_EQ(TimeOf({one}, rates).total(), 10 * (4 + 2 + 4));
  one.going_round = 3;
  EXPECT_DOUBLE_EQ(TimeOf({one}, rates).total(), 10 * (4 + 4 + 4));
}

TEST(LimitOf, NamesWhatTakesMost) {
  EXPECT_EQ(LimitOf({.weights = 1.0, .cache = 1.0, .products = 1.5}), Limit::kMemory);
  EXPECT_EQ(LimitOf({.weights = 1.0, .products = 1.5}), Limit::kArithmetic);
  EXPECT_EQ(LimitOf({.weights = 1.0, .sums = 2.0}), Limit::kSums);
  EXPECT_EQ(LimitOf({.weights = 1.0, .activations = 0.6, .overhead = 0.6}), Limit::kOverhead);
  EXPECT_EQ(Name(Limit::kSums), "all-reduces");
}

double OperationsOf(const std::vector<RepeatedWork>& steps) {
  double sum = 0.0;
  for (const RepeatedWork& one : steps) sum += one.steps * one.work.product_operations;
  return sum;
}

double StepsOf(const std::vector<RepeatedWork>& steps) {
  double sum = 0.0;
  for (const RepeatedWork& one : steps) sum += one.steps;
  return sum;
}

TEST(PromptSteps, ReadEveryTokenOnceAndTheHeadOnce) {
  const StepModel model(GptJ6B(), {});
  for (const auto& [texts, prompt] : {std::pair(1, 100), std::pair(7, 100), std::pair(10, 51),
                                      std::pair(3, 512), std::pair(2, 1300)}) {
    const auto steps = PromptSteps(model, {.texts = texts, .prompt_tokens = prompt});
    EXPECT_DOUBLE_EQ(OperationsOf(steps), 2.0 * texts * (prompt * kBlocks + kHead))
        << texts << " x " << prompt;
  }
  EXPECT_DOUBLE_EQ(StepsOf(PromptSteps(model, {.texts = 7, .prompt_tokens = 100})), 2.0);
  EXPECT_DOUBLE_EQ(StepsOf(PromptSteps(model, {.texts = 2, .prompt_tokens = 1300})), 6.0);
}

TEST(DecodeSteps, MakeAllTokensButTheFirst) {
  const StepModel model(GptJ6B(), {});
  for (const std::int64_t count : {1, 2, 5, 17, 100}) {
    const auto steps = DecodeSteps(model, {.texts = 3, .prompt_tokens = 10, .new_tokens = count});
    EXPECT_DOUBLE_EQ(StepsOf(steps), static_cast<double>(count - 1));
    EXPECT_LE(steps.size(), 16u);
    EXPECT_DOUBLE_EQ(OperationsOf(steps),
                     2.0 * 3 * static_cast<double>(count - 1) * (kBlocks + kHead));
  }
}

// Where the work grows evenly a few places tell the sum of all.
TEST(DecodeSteps, CountTheCacheAsEveryStepWould) {
  const StepModel model(GptJ6B(), {});
  const auto steps = DecodeSteps(model, {.texts = 1, .prompt_tokens = 100, .new_tokens = 501});
  double bytes = 0.0;
  for (const RepeatedWork& one : steps) bytes += one.steps * one.work.cache_bytes;
  const double positions = 500 * 100.0 + 500 * 501 / 2.0;
  EXPECT_NEAR(bytes, 2.0 * 2 * 28 * 4096 * positions, 0.01 * bytes);
}

}  // namespace
}  // namespace lockstep
