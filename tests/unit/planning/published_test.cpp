// What others have published for GPT-J 6B beside what the shipped machines say: the table of
// docs/guide/planning.md, which this test keeps true.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include "core/files/file.h"
#include "planning/machine/machine_yaml.h"
#include "planning/report/quantities.h"
#include "tests/support/test_data.h"
#include "tests/unit/planning/planning_fixture.h"

namespace lockstep {
namespace {

struct Published {
  const char* program;
  const char* machine;
  WeightFormat format;
  DType cache;
  std::int64_t tp;
  std::int64_t texts;
  std::int64_t prompt_tokens;
  std::int64_t new_tokens;
  double tokens_per_second;
};

// Output tokens per second and GPU.
// Theirs is counted as int8, which takes as much memory: kF8 is multiplied as fp16 on Hopper.
constexpr auto kFp8 = WeightFormat::kInt8;
constexpr auto kFp16 = WeightFormat::kF16;
constexpr Published kPublished[] = {
    {"TensorRT-LLM 0.9, fp8", "h100", kFp8, DType::kF8, 1, 1024, 128, 128, 25860},
    {"TensorRT-LLM 0.9, fp8", "h100", kFp8, DType::kF8, 1, 120, 128, 2048, 7350},
    {"TensorRT-LLM 0.9, fp8", "h100", kFp8, DType::kF8, 1, 64, 2048, 128, 2570},
    {"TensorRT-LLM 0.9, fp8", "h100", kFp8, DType::kF8, 1, 64, 2048, 2048, 3212},
    {"TensorRT-LLM 0.9, fp8", "h200", kFp8, DType::kF8, 1, 1024, 128, 128, 27304},
    {"TensorRT-LLM 0.9, fp8", "h200", kFp8, DType::kF8, 1, 120, 128, 2048, 8530},
    {"TensorRT-LLM 0.9, fp8", "h200", kFp8, DType::kF8, 1, 64, 2048, 128, 2785},
    {"TensorRT-LLM 0.9, fp8", "h200", kFp8, DType::kF8, 1, 64, 2048, 2048, 3753},
    {"TensorRT-LLM 0.6.1, fp16", "a100", kFp16, DType::kF16, 1, 512, 128, 128, 6374},
    {"TensorRT-LLM 0.6.1, fp16", "a100", kFp16, DType::kF16, 1, 60, 2048, 128, 670},
    {"TensorRT-LLM 0.5, fp16", "a100", kFp16, DType::kF16, 1, 64, 128, 128, 3679}};

// fp8 has the bytes of int8, and on Hopper twice the arithmetic of bf16. TensorRT-LLM multiplies
// with it what this program would multiply as bf16.
Machine MachineOf(const Published& one) {
  Machine machine = FindMachine(one.machine);
  if (one.format == kFp8) {
    machine.arithmetic[kFp8] = 2.0 * machine.arithmetic[WeightFormat::kBF16];
    machine.efficiency.weights[kFp8] = machine.efficiency.weights[WeightFormat::kBF16];
    machine.efficiency.products[kFp8] = machine.efficiency.products[WeightFormat::kBF16];
  }
  return machine;
}

Prediction PredictionOf(const Published& one, const Machine& machine) {
  ModelSpec spec = GptJ6B();
  // Prompt and output together are longer than GPT-J's context, which speed does not mind.
  spec.context_tokens = 4096;
  EngineLimits limits;
  limits.max_step_tokens = 8192;  // prompts are read whole
  return Predict({.spec = spec,
                  .machine = machine,
                  .workload = {.texts = one.texts,
                               .prompt_tokens = one.prompt_tokens,
                               .new_tokens = one.new_tokens},
                  .limits = limits},
                 {.tp = one.tp, .format = one.format, .cache_dtype = one.cache});
}

struct Speeds {
  double predicted = 0.0;
  double at_best = 0.0;
};

Speeds SpeedsOf(const Published& one) {
  const Prediction prediction = PredictionOf(one, MachineOf(one));
  const auto tokens = static_cast<double>(one.texts * one.new_tokens);
  const auto gpus = static_cast<double>(one.tp);
  return {tokens / prediction.time.seconds() / gpus, tokens / prediction.best.seconds() / gpus};
}

std::string Row(const Published& one) {
  const Speeds speeds = SpeedsOf(one);
  return fmt::format("| {} | {} | {} x ({}, {}) | {} | {} | {:.2f} | {} | {:.0f} % |", one.program,
                     FindMachine(one.machine).title, one.texts, one.prompt_tokens, one.new_tokens,
                     RateText(one.tokens_per_second), RateText(speeds.predicted),
                     one.tokens_per_second / speeds.predicted, RateText(speeds.at_best),
                     100.0 * one.tokens_per_second / speeds.at_best);
}

TEST(Published, IsAsTheDocumentSays) {
  const std::string text = ReadFile(SourceFolder() / "docs/guide/planning.md");
  for (const Published& one : kPublished)
    EXPECT_THAT(text, testing::HasSubstr(Row(one) + "\n")) << Row(one);
}

// The factor that docs/guide/planning.md states.
TEST(Published, IsReproducedWithinTheStatedFactor) {
  for (const Published& one : kPublished) {
    const Speeds speeds = SpeedsOf(one);
    EXPECT_GT(one.tokens_per_second, 0.55 * speeds.at_best) << Row(one);
    EXPECT_LT(one.tokens_per_second, 0.85 * speeds.at_best) << Row(one);
    const double factor = one.tokens_per_second / speeds.predicted;
    EXPECT_GT(factor, 1.0) << Row(one);
    EXPECT_LT(factor, 1.55) << Row(one);
  }
}

}  // namespace
}  // namespace lockstep
