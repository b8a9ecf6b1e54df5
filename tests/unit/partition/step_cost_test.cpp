#include "partition/plan/step_cost.h"

#include <gtest/gtest.h>

#include "tests/support/known_models.h"

namespace lockstep {
namespace {

ModelSpec TinySpec() {
  ModelSpec spec = Pythia(2, 8, 4, 20);
  spec.d_ff = 16;
  spec.rotary_dims = 2;
  spec.context_tokens = 64;
  return spec;
}

// By hand, of TinySpec(): q, k, v and the output 4 x 8 x 8, the feed-forward 2 x 8 x 16.
constexpr double kBlocks = 2 * (4 * 64 + 2 * 128);
constexpr double kHead = 20 * 8;
// Two norms of 16 and biases of 24, 8, 16 and 8 in each layer, and the last norm.
constexpr double kVectors = 2 * (32 + 56) + 16;

StepCost CostOf(const ModelSpec& spec, std::vector<StepTokens> sequences, int ranks = 1) {
  return CostOfStep(ShardPlan(spec, ranks), {.matrices = 2.0, .cache = 1.0}, sequences);
}

TEST(StepCost, OfOneTokenReadsEveryWeightButTheEmbedding) {
  const StepCost cost = CostOf(TinySpec(), {{.new_tokens = 1, .start = 0, .logit_rows = 1}});
  EXPECT_EQ(cost.weight_bytes, 2 * (kBlocks + kHead) + 4 * kVectors);
  EXPECT_EQ(cost.cache_bytes, 2 * 8 * 2);
  EXPECT_EQ(cost.multiply_adds, kBlocks + kHead + 2 * 8 * 2);
}

TEST(StepCost, OfManyTokensReadsTheWeightsOnce) {
  const StepCost cost = CostOf(TinySpec(), {{.new_tokens = 1, .start = 9, .logit_rows = 1},
                                            {.new_tokens = 1, .start = 4, .logit_rows = 1}});
  EXPECT_EQ(cost.weight_bytes, 2 * (kBlocks + kHead) + 4 * kVectors);
  EXPECT_EQ(cost.cache_bytes, 2 * 8 * 2 * (10 + 5));
  EXPECT_EQ(cost.multiply_adds, 2 * (kBlocks + kHead) + 2 * 8 * 2 * (10 + 5));
}

TEST(StepCost, OfAPromptCountsEachPairOfPositionsOnce) {
  const StepCost cost = CostOf(TinySpec(), {{.new_tokens = 3, .start = 2, .logit_rows = 1}});
  EXPECT_EQ(cost.cache_bytes, 2 * 8 * 2 * 5);
  EXPECT_EQ(cost.multiply_adds, 3 * kBlocks + kHead + 2 * 8 * 2 * (3 + 4 + 5));
  EXPECT_EQ(cost.attention_multiply_adds, 2 * 8 * 2 * (3 + 4 + 5));
}

TEST(StepCost, LeavesTheHeadOutWhenNoLogitsAreWanted) {
  const StepCost cost = CostOf(TinySpec(), {{.new_tokens = 3, .start = 0, .logit_rows = 0}});
  EXPECT_EQ(cost.weight_bytes, 2 * kBlocks + 4 * kVectors);
  EXPECT_EQ(cost.multiply_adds, 3 * kBlocks + 2 * 8 * 2 * (1 + 2 + 3));
}

TEST(StepCost, ReadsATiedHead) {
  ModelSpec spec = TinySpec();
  spec.tied_embeddings = true;
  EXPECT_EQ(CostOf(spec, {{.new_tokens = 1, .start = 0, .logit_rows = 1}}).multiply_adds,
            kBlocks + kHead + 2 * 8 * 2);
}

// A step looks up a row of each table.
TEST(StepCost, ReadsNoPositions) {
  ModelSpec spec = TinySpec();
  const std::vector<StepTokens> step{{.new_tokens = 1, .start = 0, .logit_rows = 1}};
  const StepCost rotary = CostOf(spec, step);
  spec.family = Family::kGpt2;
  spec.rotary_dims = 0;
  EXPECT_EQ(CostOf(spec, step).weight_bytes, rotary.weight_bytes);
  spec.tied_embeddings = true;
  EXPECT_EQ(CostOf(spec, step).weight_bytes, rotary.weight_bytes);
  EXPECT_EQ(CostOf(spec, step).multiply_adds, rotary.multiply_adds);
}

TEST(StepCost, CountsHeadsOfTheirOwnWidth) {
  ModelSpec spec = TinySpec();
  spec.head_width = 6;  // 4 heads, 24 in all
  const StepCost cost = CostOf(spec, {{.new_tokens = 1, .start = 0, .logit_rows = 1}});
  EXPECT_EQ(cost.cache_bytes, 2 * 24 * 2);
  EXPECT_EQ(cost.multiply_adds, 2 * (4 * 24 * 8 + 2 * 128) + kHead + 2 * 24 * 2);
}

TEST(StepCost, OfAllRanksIsThatOfOneAndTheReplicatedVectors) {
  const std::vector<StepTokens> step{{.new_tokens = 5, .start = 7, .logit_rows = 1}};
  const StepCost one = CostOf(TinySpec(), step);
  for (const int ranks : {2, 3, 4}) {
    const StepCost many = CostOf(TinySpec(), step, ranks);
    EXPECT_EQ(many.cache_bytes, one.cache_bytes) << ranks;
    EXPECT_EQ(many.multiply_adds, one.multiply_adds) << ranks;
    // Norms, and the biases added after the reduction.
    const double replicated = 2 * (32 + 16) + 16;
    EXPECT_EQ(many.weight_bytes, one.weight_bytes + 4 * replicated * (ranks - 1)) << ranks;
  }
}

TEST(StepCost, OfNothingIsNothing) {
  EXPECT_EQ(CostOf(TinySpec(), {}).weight_bytes, 0.0);
  EXPECT_EQ(CostOf(TinySpec(), {{.new_tokens = 0, .start = 9}}).cache_bytes, 0.0);
}

}  // namespace
}  // namespace lockstep
