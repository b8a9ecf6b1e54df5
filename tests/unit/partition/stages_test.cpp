#include "partition/plan/stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "partition/plan/shard_plan.h"
#include "tests/support/known_models.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::ElementsAre;

// With an LM head that costs as much as so many blocks.
ModelSpec WithHeadOf(std::int64_t blocks, std::int64_t layers) {
  ModelSpec spec = Pythia(layers, 64, 4, 100);
  spec.vocab_rows = blocks * (4 * spec.attention_width() + 2 * spec.d_ff);
  return spec;
}

TEST(CutIntoStages, CountsTheHeadAsWhatItCosts) {
  EXPECT_THAT(CutIntoStages(WithHeadOf(1, 12), 1), ElementsAre(Range{0, 12}));
  // 7 blocks, and 5 with a head of two.
  EXPECT_THAT(CutIntoStages(WithHeadOf(2, 12), 2), ElementsAre(Range{0, 7}, Range{7, 12}));
  EXPECT_THAT(CutIntoStages(WithHeadOf(4, 12), 2), ElementsAre(Range{0, 8}, Range{8, 12}));
  EXPECT_THAT(CutIntoStages(WithHeadOf(3, 12), 3),
              ElementsAre(Range{0, 5}, Range{5, 10}, Range{10, 12}));
}

TEST(CutIntoStages, LeavesTheLastOneABlock) {
  EXPECT_THAT(CutIntoStages(WithHeadOf(100, 4), 2), ElementsAre(Range{0, 3}, Range{3, 4}));
  EXPECT_THAT(CutIntoStages(WithHeadOf(100, 4), 4),
              ElementsAre(Range{0, 1}, Range{1, 2}, Range{2, 3}, Range{3, 4}));
}

TEST(CutIntoStages, OfCutsThatAreAsGoodGivesTheFirstStageLess) {
  EXPECT_THAT(CutIntoStages(WithHeadOf(1, 4), 2), ElementsAre(Range{0, 2}, Range{2, 4}));
}

TEST(CutIntoStages, GivesEveryBlockToOneStage) {
  for (std::int64_t layers = 1; layers <= 9; ++layers)
    for (int stages = 1; stages <= layers; ++stages) {
      std::int64_t next = 0;
      for (const Range& blocks : CutIntoStages(WithHeadOf(2, layers), stages)) {
        EXPECT_EQ(blocks.begin, next);
        EXPECT_GT(blocks.size(), 0);
        next = blocks.end;
      }
      EXPECT_EQ(next, layers);
    }
}

TEST(CutIntoStages, RefusesMoreStagesThanBlocks) {
  const auto why_not = [](int stages) {
    return MessageOf([&] { CutIntoStages(WithHeadOf(1, 4), stages); }, ExitCode::kBadInput);
  };
  EXPECT_EQ(why_not(5),
            "pipeline: 4 blocks over 5 stages leaves 1 stage empty; use at most --pp 4");
  EXPECT_EQ(why_not(0), "pipeline: 0 stages; expected 1 to 4, the number of blocks");
}

TEST(ShardPlan, GivesAStageItsBlocksAlone) {
  const ModelSpec spec = Pythia(5, 160, 5, 301);
  const ShardPlan plan(spec, 2, 3);
  EXPECT_EQ(plan.rank_count(), 6);
  std::int64_t next = 0;
  std::int64_t parameters = 0;
  for (int rank = 0; rank < plan.rank_count(); ++rank) {
    const RankSlices slices = plan.Slices(rank);
    const int stage = plan.StageOf(rank);
    EXPECT_EQ(stage, rank / 2);
    EXPECT_EQ(std::ssize(slices.layers), slices.blocks.size());
    EXPECT_EQ(slices.embedding.elements() > 0, stage == 0);
    EXPECT_EQ(slices.head.weight.empty(), stage != 2);
    EXPECT_EQ(slices.final_norm.weight.elements() > 0, stage == 2);
    EXPECT_EQ(slices.heads, ShardPlan(spec, 2).Slices(rank % 2).heads);
    EXPECT_EQ(slices.layers.front().mlp_in.weight.front().name,
              fmt::format("gpt_neox.layers.{}.mlp.dense_h_to_4h.weight", slices.blocks.begin));
    const ParameterCount count = CountParameters(slices);
    parameters += count.total() - (rank % 2 == 0 ? 0 : count.replicated);
    if (rank % 2 == 1) continue;
    EXPECT_EQ(slices.blocks.begin, next);
    next = slices.blocks.end;
  }
  EXPECT_EQ(next, 5);
  EXPECT_EQ(parameters, CountParameters(ShardPlan(spec, 1).Slices(0)).total());
  EXPECT_EQ(
      plan.all_reduces_of_stage(0) + plan.all_reduces_of_stage(1) + plan.all_reduces_of_stage(2),
      plan.all_reduces_per_pass());
}

}  // namespace
}  // namespace lockstep
