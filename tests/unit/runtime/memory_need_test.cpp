#include "runtime/memory/memory_need.h"

#include <gtest/gtest.h>

#include "layers/kv_cache.h"
#include "tests/support/known_models.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

ModelSpec Spec() {
  ModelSpec spec = Pythia(3, 64, 4, 100);
  spec.context_tokens = 96;
  return spec;
}

TEST(MemoryNeed, IsOfWeightsCacheAndTheLargestStep) {
  const ShardPlan plan(Spec(), 1);
  const RankLoad load{.plan = plan,
                      .cache_pages = 2,
                      .step = {.tokens = 1000, .logit_rows = 10, .sequences = 4, .positions = 96}};
  const MemoryNeed need = NeedOf(load, 0);
  EXPECT_EQ(need.weights, static_cast<double>(CountParameters(plan.Slices(0)).total() * 4));
  EXPECT_EQ(need.cache, 2 * 3 * 64 * 64 * 4.0) << "key and value, layers, tokens, d_model, fp32";
  // The cache has no room for more than 64 tokens: x and its sum, two norms, q, k, v and what
  // attention makes of them, the MLP.
  EXPECT_EQ(need.activations, 4.0 * (64 * (2 * 64 + 2 * 64 + 4 * 64 + 256) + 10 * 100));
  EXPECT_EQ(need.staging, 4.0 * 64 * (64 + 256));
  EXPECT_EQ(need.total(), need.weights + need.cache + need.activations + need.staging);
}

// The table of positions, and a tied head in the form that is multiplied.
TEST(MemoryNeed, OfGpt2HasItsTablesAndItsHead) {
  ModelSpec spec = Spec();
  const double untied = NeedOf({.plan = ShardPlan(spec, 1)}, 0).weights;
  spec.tied_embeddings = true;
  EXPECT_EQ(NeedOf({.plan = ShardPlan(spec, 1)}, 0).weights, untied);
  spec.family = Family::kGpt2;
  EXPECT_EQ(NeedOf({.plan = ShardPlan(spec, 1)}, 0).weights, untied + 4.0 * 96 * 64);
}

TEST(MemoryNeed, FollowsTheFormats) {
  const ShardPlan plan(Spec(), 1);
  const auto of = [&](WeightFormat format, DType cache) {
    return NeedOf({.plan = plan, .format = format, .cache_dtype = cache, .cache_pages = 4}, 0);
  };
  const MemoryNeed wide = of(WeightFormat::kF32, DType::kF32);
  const MemoryNeed half = of(WeightFormat::kBF16, DType::kBF16);
  const MemoryNeed small = of(WeightFormat::kInt4, DType::kI8);
  EXPECT_EQ(half.cache, wide.cache / 2);
  EXPECT_LT(small.cache, half.cache);
  EXPECT_LT(half.weights, wide.weights);
  EXPECT_LT(small.weights, half.weights);
}

TEST(MemoryNeed, OfFp8HasRoomForRoundedInputs) {
  const ShardPlan plan(Spec(), 1);
  const auto of = [&](WeightFormat format) {
    return NeedOf({.plan = plan, .format = format, .cache_pages = 2, .step = {.tokens = 50}}, 0);
  };
  // Heads and feed-forward columns of 50 tokens, and scales of 2 + 16 groups.
  EXPECT_EQ(of(WeightFormat::kF8).activations - of(WeightFormat::kInt8).activations,
            50 * (64 + 256 + 4.0 * (2 + 16)));
}

TEST(MemoryNeed, IsDividedOverTheRanks) {
  const ShardPlan one(Spec(), 1), four(Spec(), 4);
  const RankLoad alone{.plan = one, .cache_pages = 8}, divided{.plan = four, .cache_pages = 8};
  MemoryNeed sum;
  for (int rank = 0; rank < 4; ++rank) sum += NeedOf(divided, rank);
  EXPECT_EQ(sum.cache, NeedOf(alone, 0).cache);
  EXPECT_GE(sum.weights, NeedOf(alone, 0).weights) << "norms are whole on every rank";
  EXPECT_LT(NeedOf(divided, 0).weights, 0.3 * NeedOf(alone, 0).weights);
}

TEST(StepLimits, AreThoseOfTheEngine) {
  const StepLimits small = StepLimitsOf(
      {.max_sequences = 256, .max_step_tokens = 40, .context_tokens = 96, .vocab_rows = 50304});
  EXPECT_EQ(small.tokens, 40);
  EXPECT_EQ(small.sequences, 40);
  EXPECT_EQ(small.logit_rows, 40);
  EXPECT_EQ(small.positions, 96);
  const StepLimits large = StepLimitsOf(
      {.max_sequences = 8, .max_step_tokens = 4096, .context_tokens = 2048, .vocab_rows = 50304});
  EXPECT_EQ(large.sequences, 8);
  EXPECT_EQ(large.logit_rows, 8 + 128) << "prompts whose log-probabilities are wanted have 26 MB";
  const StepLimits demo = StepLimitsOf(
      {.max_sequences = 8, .max_step_tokens = 512, .context_tokens = 256, .vocab_rows = 1056});
  EXPECT_EQ(demo.logit_rows, 512);
}

TEST(MappedBytes, AreThoseOfTheCheckpointsFiles) {
  const TemporaryFolder folder;
  EXPECT_EQ(MappedBytes(folder / "nowhere"), 0.0);
  WriteText(folder / "a.bin", "12345");
  WriteText(folder / "config.json", "{}");
  EXPECT_EQ(MappedBytes(folder.path()), 5.0);
  WriteText(folder / "1.safetensors", "123");
  WriteText(folder / "2.safetensors", "4567");
  EXPECT_EQ(MappedBytes(folder.path()), 7.0) << "the others are not opened";
}

}  // namespace
}  // namespace lockstep
