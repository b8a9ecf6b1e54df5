#include "partition/plan/shard_plan.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "tests/support/known_models.h"

namespace lockstep {
namespace {

struct Known {
  const char* name;
  ModelSpec spec;
  std::int64_t total;
  std::int64_t non_embedding;
};

// From the model cards and from transformers' own count of GPT-J 6B.
const Known kModels[] = {
    {"aphra_6b", GptJ6B(), 6'050'882'784, 6'050'882'784 - 2 * 50400 * 4096 - 50400},
    {"pythia_70m", Pythia(6, 512, 8), 70'426'624, 18'915'328},
    {"pythia_160m", Pythia(12, 768, 12), 162'322'944, 85'056'000},
    {"pythia_410m", Pythia(24, 1024, 16), 405'334'016, 302'311'424},
    {"pythia_1b", Pythia(16, 2048, 8), 1'011'781'632, 805'736'448},
    {"pythia_1_4b", Pythia(24, 2048, 16), 1'414'647'808, 1'208'602'624},
    {"pythia_2_8b", Pythia(32, 2560, 32), 2'775'208'960, 2'517'652'480},
    {"pythia_6_9b", Pythia(32, 4096, 32, 50432), 6'857'302'016, 6'444'163'072},
    {"pythia_12b", Pythia(36, 5120, 40, 50688), 11'846'072'320, 11'327'027'200},
    {"gpt2", Gpt2(12, 768, 12), 124'439'808, 85'056'000},
    {"gpt2_xl", Gpt2(48, 1600, 25), 1'557'611'200, 1'475'561'600},
};

void ForEachSlice(const RankSlices& rank, const std::function<void(const TensorSlice&)>& visit) {
  const auto norm = [&](const NormSlices& slices) {
    visit(slices.weight);
    visit(slices.bias);
  };
  const auto linear = [&](const LinearSlices& slices) {
    for (const auto& part : slices.weight) visit(part);
    for (const auto& part : slices.bias) visit(part);
  };
  visit(rank.embedding);
  if (rank.positions) visit(*rank.positions);
  for (const LayerSlices& layer : rank.layers) {
    norm(layer.attention_norm);
    if (layer.mlp_norm) norm(*layer.mlp_norm);
    for (const LinearSlices* slices :
         {&layer.qkv, &layer.attention_out, &layer.mlp_in, &layer.mlp_out})
      linear(*slices);
  }
  norm(rank.final_norm);
  if (!rank.tied_head) linear(rank.head);
}

class KnownModel : public testing::TestWithParam<Known> {};

TEST_P(KnownModel, HasTheExactParameterCountsAtEveryRankCount) {
  const Known& model = GetParam();
  for (int ranks = 1; ranks <= model.spec.head_count; ++ranks) {
    const ShardPlan plan(model.spec, ranks);
    ParameterCount sum;
    std::int64_t replicated = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const ParameterCount count = CountParameters(plan.Slices(rank));
      sum.matrices += count.matrices;
      sum.vectors += count.vectors;
      sum.embedding += count.embedding;
      replicated = count.replicated;
    }
    const std::int64_t copies = replicated * (ranks - 1);
    EXPECT_EQ(sum.total() - copies, model.total) << ranks << " ranks";
    EXPECT_EQ(sum.non_embedding() - copies, model.non_embedding) << ranks << " ranks";
  }
}

INSTANTIATE_TEST_SUITE_P(ShardPlan, KnownModel, testing::ValuesIn(kModels),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(ShardPlan, GivesEveryPartToExactlyOneRank) {
  const ModelSpec spec = Pythia(2, 160, 5, 301);
  for (int ranks = 1; ranks <= 5; ++ranks) {
    std::int64_t head = 0, column = 0, row = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const RankSlices slices = ShardPlan(spec, ranks).Slices(rank);
      EXPECT_EQ(slices.heads.begin, head);
      EXPECT_EQ(slices.ffn_columns.begin, column);
      EXPECT_EQ(slices.vocab_rows.begin, row);
      head = slices.heads.end;
      column = slices.ffn_columns.end;
      row = slices.vocab_rows.end;
      EXPECT_GE(slices.local_heads(), spec.head_count / ranks);
      EXPECT_LE(slices.local_heads(), (spec.head_count + ranks - 1) / ranks);
    }
    EXPECT_EQ(head, spec.head_count);
    EXPECT_EQ(column, spec.d_ff);
    EXPECT_EQ(row, spec.vocab_rows);
  }
}

TEST(ShardPlan, GivesRankZeroTheLargestPart) {
  EXPECT_EQ(ShardPlan::Part(5, 2, 0), (Range{0, 3}));
  EXPECT_EQ(ShardPlan::Part(5, 2, 1), (Range{3, 5}));
  EXPECT_EQ(ShardPlan::Part(12, 5, 0), (Range{0, 3}));
}

TEST(ShardPlan, NestsWhenTheRankCountDoubles) {
  for (std::int64_t total : {5, 8, 12, 16, 40, 301, 50257})
    for (int parts : {1, 2, 3, 4})
      for (int index = 0; index < parts; ++index) {
        const Range whole = ShardPlan::Part(total, parts, index);
        EXPECT_EQ(whole.begin, ShardPlan::Part(total, 2 * parts, 2 * index).begin);
        EXPECT_EQ(whole.end, ShardPlan::Part(total, 2 * parts, 2 * index + 1).end);
      }
}

TEST(ShardPlan, KeepsSlicesInsideTheirTensorsAndCoversThem) {
  ModelSpec wide = Gpt2(2, 160, 5);  // heads wider than d_model has room for
  wide.head_width = 48;
  for (const ModelSpec& spec : {Pythia(2, 160, 5, 301), GptJ6B(), Gpt2(2, 160, 5), wide}) {
    const ShardPlan plan(spec, 5);
    std::int64_t covered = 0, whole = 0, replicated = 0;
    ForEachSlice(ShardPlan(spec, 1).Slices(0),
                 [&](const TensorSlice& s) { whole += s.elements(); });
    for (int rank = 0; rank < 5; ++rank) {
      replicated = CountParameters(plan.Slices(rank)).replicated;
      ForEachSlice(plan.Slices(rank), [&](const TensorSlice& slice) {
        EXPECT_GE(slice.rows.begin, 0);
        EXPECT_LE(slice.rows.end, slice.shape[0]) << slice.name;
        const std::int64_t columns = slice.shape.rank() == 2 ? slice.shape[1] : 1;
        EXPECT_LE(slice.columns.end, columns) << slice.name;
        EXPECT_GT(slice.elements(), 0) << slice.name;
        covered += slice.elements();
      });
    }
    EXPECT_EQ(covered - 4 * replicated, whole);
  }
}

TEST(ShardPlan, SlicesFusedQkvRowsByWholeHeads) {
  const RankSlices rank = ShardPlan(Pythia(1, 160, 5, 301), 2).Slices(1);
  ASSERT_EQ(rank.layers[0].qkv.weight.size(), 1u);
  EXPECT_EQ(rank.layers[0].qkv.weight[0].rows, (Range{3 * 3 * 32, 5 * 3 * 32}));
  EXPECT_EQ(rank.layers[0].attention_out.weight[0].columns, (Range{3 * 32, 5 * 32}));
  EXPECT_EQ(rank.layers[0].attention_out.bias[0].rows, (Range{0, 160}));
}

TEST(ShardPlan, StacksSeparateQkvOfGptJ) {
  const RankSlices rank = ShardPlan(GptJ6B(), 2).Slices(1);
  ASSERT_EQ(rank.layers[27].qkv.weight.size(), 3u);
  EXPECT_EQ(rank.layers[27].qkv.weight[2].name, "transformer.h.27.attn.v_proj.weight");
  EXPECT_TRUE(rank.layers[27].qkv.bias.empty());
  EXPECT_FALSE(rank.layers[27].mlp_norm.has_value());
  EXPECT_EQ(rank.head.bias[0].name, "lm_head.bias");
  EXPECT_EQ(rank.head.bias[0].rows, rank.vocab_rows);
}

// Columns of the file's matrix [d_model, 3 x width]: those of q, of k and of v.
TEST(ShardPlan, CutsTheFusedQkvOfGpt2IntoPartsOfTheTransposedMatrix) {
  const RankSlices rank = ShardPlan(Gpt2(1, 160, 5), 2).Slices(1);
  const LayerSlices& layer = rank.layers[0];
  ASSERT_EQ(layer.qkv.weight.size(), 3u);
  for (std::size_t part = 0; part < 3; ++part) {
    const TensorSlice& weight = layer.qkv.weight[part];
    const auto first = static_cast<std::int64_t>(part) * 160;
    EXPECT_EQ(weight.name, "transformer.h.0.attn.c_attn.weight");
    EXPECT_EQ(weight.rows, (Range{first + 3 * 32, first + 5 * 32}));
    EXPECT_EQ(weight.columns, (Range{0, 160}));
    EXPECT_EQ(weight.stored_shape(), (Shape{160, 3 * 160}));
    EXPECT_EQ(layer.qkv.bias[part].rows, weight.rows);
  }
  EXPECT_EQ(layer.qkv.outputs(), 3 * 2 * 32);
  EXPECT_EQ(layer.mlp_out.weight[0].stored_shape(), (Shape{640, 160}));
  EXPECT_EQ(rank.embedding.stored_shape(), (Shape{50257, 160}));
  EXPECT_EQ(rank.head.weight[0].order, MatrixOrder::kAsMultiplied);
}

TEST(ShardPlan, DividesThePositionsOfGpt2LikeItsVocabulary) {
  const RankSlices rank = ShardPlan(Gpt2(1, 160, 5), 3).Slices(1);
  EXPECT_EQ(rank.position_rows, (Range{342, 683}));
  EXPECT_EQ(rank.positions->name, "transformer.wpe.weight");
  EXPECT_EQ(rank.positions->rows, rank.position_rows);
  EXPECT_FALSE(ShardPlan(Pythia(1, 160, 5, 301), 3).Slices(1).positions.has_value());
}

TEST(ShardPlan, GivesHeadsTheirOwnWidth) {
  ModelSpec spec = Pythia(1, 160, 5, 301);
  spec.head_width = 48;
  const RankSlices rank = ShardPlan(spec, 2).Slices(1);
  EXPECT_EQ(rank.layers[0].qkv.weight[0].shape, (Shape{3 * 5 * 48, 160}));
  EXPECT_EQ(rank.layers[0].qkv.weight[0].rows, (Range{3 * 3 * 48, 3 * 5 * 48}));
  EXPECT_EQ(rank.layers[0].attention_out.weight[0].shape, (Shape{160, 5 * 48}));
  EXPECT_EQ(rank.layers[0].attention_out.weight[0].columns, (Range{3 * 48, 5 * 48}));
}

TEST(ShardPlan, CountsTheBytesOfATiedHeadBesideTheTable) {
  const ParameterCount count = CountParameters(ShardPlan(Gpt2(2, 160, 5), 1).Slices(0));
  EXPECT_EQ(WeightBytes(count, WeightFormat::kF32), 4 * (count.total() + 50257 * 160));
  EXPECT_EQ(count.table, (50257 + 1024) * 160);
  RankSlices without_head = ShardPlan(Gpt2(2, 160, 5), 1).Slices(0);
  without_head.head = {};
  EXPECT_EQ(WeightBytes(CountParameters(without_head), WeightFormat::kF32), 4 * count.total());
}

TEST(ShardPlan, CountsTiedEmbeddingsOnce) {
  ModelSpec spec = Pythia(2, 160, 5, 301);
  const std::int64_t untied = CountParameters(ShardPlan(spec, 1).Slices(0)).total();
  spec.tied_embeddings = true;
  EXPECT_EQ(CountParameters(ShardPlan(spec, 1).Slices(0)).total(), untied - 301 * 160);
  EXPECT_EQ(ShardPlan(spec, 1).Slices(0).head.weight[0].name, "embed_out.weight")
      << "where it lies is known when the checkpoint is open: TensorNames";
}

TEST(ShardPlan, ReducesOncePerParallelBlockAndTwiceOtherwise) {
  ModelSpec spec = Pythia(6, 512, 8);
  EXPECT_EQ(ShardPlan(spec, 4).all_reduces_per_pass(), 1 + 6);
  spec.parallel_residual = false;
  EXPECT_EQ(ShardPlan(spec, 4).all_reduces_per_pass(), 1 + 12);
}

TEST(ShardPlan, CountsWeightBytesWithVectorsInFp32) {
  const ParameterCount count{.matrices = 100, .vectors = 10};
  EXPECT_EQ(WeightBytes(count, WeightFormat::kBF16), 240);
  EXPECT_EQ(WeightBytes(count, WeightFormat::kF32), 440);
}

void ExpectRefused(int ranks, const std::string& message) {
  try {
    ShardPlan plan(Pythia(12, 768, 12), ranks);
    FAIL() << ranks << " ranks were accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), message);
    EXPECT_EQ(error.code(), ExitCode::kBadInput);
  }
}

TEST(ShardPlan, RefusesMoreRanksThanHeads) {
  ExpectRefused(16,
                "shard plan: 12 heads over 16 ranks leaves 4 ranks empty; use at most 12 ranks");
  ExpectRefused(0, "shard plan: 0 ranks; expected 1 to 12, the number of heads");
}

// Leaves cut what a rank has without holes; ranks that do not divide them have one.
TEST(ShardPlan, LeavesTileWhatARankHas) {
  for (int ranks = 1; ranks <= 8; ++ranks) {
    const ShardPlan plan(Pythia(1, 512, 8), ranks);
    const std::size_t expected =
        ShardPlan::kLeaves % ranks == 0 ? static_cast<std::size_t>(ShardPlan::kLeaves / ranks) : 1;
    for (int rank = 0; rank < ranks; ++rank) {
      const RankSlices slices = plan.Slices(rank);
      for (const auto& [leaves, whole] : {std::pair{&slices.head_leaves, slices.heads},
                                          {&slices.ffn_leaves, slices.ffn_columns},
                                          {&slices.vocab_leaves, slices.vocab_rows}}) {
        ASSERT_EQ(leaves->size(), expected) << ranks << " ranks";
        std::int64_t end = whole.begin;
        for (const Range& leaf : *leaves) {
          EXPECT_EQ(leaf.begin, end) << "rank " << rank << " of " << ranks;
          end = leaf.end;
        }
        EXPECT_EQ(end, whole.end) << "rank " << rank << " of " << ranks;
      }
    }
  }
}

}  // namespace
}  // namespace lockstep
