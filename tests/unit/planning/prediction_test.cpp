#include "planning/prediction.h"

#include <gmock/gmock.h>

#include "planning/machine/machine_yaml.h"
#include "tests/support/message_of.h"
#include "tests/unit/planning/planning_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

Prediction Predicted(const ModelSpec& spec, const Machine& machine, const TextLoad& workload,
                     const Layout& layout = {}, const EngineLimits& limits = {}) {
  return Predict({.spec = spec, .machine = machine, .workload = workload, .limits = limits},
                 layout);
}

TEST(Predict, AddsUpMemory) {
  const Prediction one =
      Predicted(GptJ6B(), RoundGpus(), {.texts = 4, .prompt_tokens = 128, .new_tokens = 128});
  EXPECT_NEAR(one.memory.need.weights, 2 * 6'050'882'784.0, 5e6);
  EXPECT_DOUBLE_EQ(one.memory.need.cache, 4 * 256 * 2.0 * 28 * 4096 * 2);
  EXPECT_GT(one.memory.need.activations, 0.0);
  EXPECT_EQ(one.memory.need.staging, 0.0);
  EXPECT_DOUBLE_EQ(one.memory.available, 80e9);
  EXPECT_TRUE(one.memory.fits);
  // Nine tenths of what is left.
  const double left = 0.9 * (80e9 - one.memory.need.weights - one.memory.need.activations);
  EXPECT_NEAR(static_cast<double>(one.memory.room_tokens), left / (2.0 * 28 * 4096 * 2), 33.0);
  EXPECT_EQ(one.memory.room_texts, one.memory.room_tokens / 256);
}

TEST(Predict, SaysWhatDoesNotFit) {
  Machine small = RoundGpus();
  small.memory_bytes = 10e9;
  EXPECT_FALSE(Predicted(GptJ6B(), small, {}).memory.fits);
  EXPECT_EQ(Predicted(GptJ6B(), small, {}).memory.room_tokens, 0);
  EXPECT_TRUE(Predicted(GptJ6B(), small, {}, {.tp = 4}).memory.fits);
  // The weights fit, so many texts do not.
  EXPECT_FALSE(Predicted(GptJ6B(), RoundGpus(), {.texts = 4096}).memory.fits);
}

TEST(Predict, SharesTextsAmongCopies) {
  const TextLoad eight{.texts = 8};
  const Prediction one = Predicted(GptJ6B(), RoundGpus(), eight);
  const Prediction four = Predicted(GptJ6B(), RoundGpus(), eight, {.dp = 4});
  EXPECT_EQ(one.texts_per_copy, 8);
  EXPECT_EQ(four.texts_per_copy, 2);
  EXPECT_GT(four.tokens_per_second_of_text(), one.tokens_per_second_of_text());
  EXPECT_DOUBLE_EQ(four.tokens_per_second(), 8 * four.tokens_per_second_of_text());
  EXPECT_DOUBLE_EQ(four.tokens_per_second_of_text(), 128 / four.time.seconds());
}

TEST(Predict, DecodingOneTextIsBoundByMemoryAndLongPromptsByArithmetic) {
  const Prediction one =
      Predicted(GptJ6B(), RoundGpus(), {.texts = 1, .prompt_tokens = 1920, .new_tokens = 64});
  EXPECT_EQ(LimitOf(one.time.step()), Limit::kMemory);
  EXPECT_EQ(LimitOf(one.time.prompt), Limit::kArithmetic);
  // Without losses, by hand: bytes over bandwidth, and 63 steps.
  EXPECT_NEAR(one.time.step().total(), (12.1e9 - 0.41e9 + 1952 * 459e3) / 1e12, 0.3e-3);
  EXPECT_DOUBLE_EQ(one.time.decode_steps, 63.0);
}

TEST(Predict, NothingBeatsTheHardware) {
  for (const std::string& name : ShippedMachines()) {
    const Machine machine = FindMachine(name);
    for (const WeightFormat format : kWeightFormats) {
      if (!Computes(machine, format)) continue;
      for (const std::int64_t tp : {1, 2, 8})
        for (const std::int64_t texts : {1, 8, 64}) {
          const Prediction one = Predicted(GptJ6B(), machine, {.texts = texts},
                                           WithUsualCache({.tp = tp, .format = format}));
          EXPECT_GE(one.time.prompt.total(), one.best.prompt.total());
          EXPECT_GE(one.time.seconds(), one.best.seconds())
              << name << " " << Name(format) << " " << tp << " " << texts;
        }
    }
  }
}

TEST(Predict, RefusesTextsPastTheContext) {
  EXPECT_EQ(MessageOf([] {
              Predicted(GptJ6B(), RoundGpus(), {.prompt_tokens = 2000, .new_tokens = 49});
            }),
            "plan: 2000 prompt tokens and 49 new ones are past the model's context of 2048; lower "
            "--prompt-tokens or --new-tokens");
}

struct Measured {
  const char* name;
  ModelSpec spec;
  GroupLoad load;
  double tokens_per_second;
};

std::vector<Measured> MeasuredOnH100() {
  std::vector<Measured> all;
  const auto add = [&](const char* name, const ModelSpec& spec, std::int64_t texts,
                       std::int64_t prompt, std::int64_t count, double speed) {
    all.push_back(
        {name,
         spec,
         {.texts = texts, .prompt_tokens = prompt, .new_tokens = count, .max_step_tokens = 2048},
         speed});
  };
  add("6B, 1 text", GptJ6B(), 1, 128, 32, 222.06);
  add("6B, 8 texts", GptJ6B(), 8, 128, 16, 1466.23);
  add("6B, 32 texts", GptJ6B(), 32, 128, 16, 5191.93);
  add("6B, 64 texts", GptJ6B(), 64, 128, 16, 8534.05);
  add("6B, prompt of 512", GptJ6B(), 1, 512, 0, 43715.72);
  add("6B, prompt of 2000", GptJ6B(), 1, 2000, 0, 48620.53);
  add("1.4B, 1 text", Pythia1B4(), 1, 128, 32, 722.89);
  add("1.4B, 8 texts", Pythia1B4(), 8, 128, 16, 4538.09);
  add("1.4B, 32 texts", Pythia1B4(), 32, 128, 16, 14798.76);
  add("1.4B, 64 texts", Pythia1B4(), 64, 128, 16, 23684.24);
  add("1.4B, prompt of 512", Pythia1B4(), 1, 512, 0, 129516.15);
  add("1.4B, prompt of 2000", Pythia1B4(), 1, 2000, 0, 169048.70);
  return all;
}

// docs/reports/gpu_h100.md, 2026-11-26, bf16 on one GPU.
TEST(H100, IsDescribedWithinTenPercentOfWhatWasMeasured) {
  const RankRates rates = RatesOf(FindMachine("h100"), {});
  for (const Measured& one : MeasuredOnH100()) {
    const StepModel model(one.spec, {});
    GroupLoad load = one.load;
    const bool prompts = load.new_tokens == 0;
    ++load.new_tokens;
    const double seconds =
        TimeOf(prompts ? PromptSteps(model, load) : DecodeSteps(model, load), rates).total();
    const auto tokens =
        static_cast<double>(load.texts * (prompts ? load.prompt_tokens : one.load.new_tokens));
    EXPECT_NEAR(tokens / seconds, one.tokens_per_second, 0.1 * one.tokens_per_second) << one.name;
  }
}

}  // namespace
}  // namespace lockstep
