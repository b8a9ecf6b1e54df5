#include "launcher/commands/plan_report.h"

#include <gmock/gmock.h>

#include "core/json.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

// 5 heads, 13 columns and 11 rows divide evenly by nothing.
ModelSpec OddModel() {
  ModelSpec spec;
  spec.layer_count = 2;
  spec.d_model = 20;
  spec.head_count = 5;
  spec.d_ff = 13;
  spec.vocab_rows = 11;
  spec.context_tokens = 16;
  return spec;
}

Json PlanOf(const ModelSpec& spec, int ranks, WeightFormat format = WeightFormat::kF32) {
  const ShardPlan plan(spec, ranks);
  return ParseJson(PlanJson(PlanObject({plan, "odd", format, TableDType(format)})), "plan");
}

TEST(PlanJson, AddsUpOverTheRanks) {
  const Json whole = PlanOf(OddModel(), 1);
  for (int ranks = 1; ranks <= 5; ++ranks) {
    const Json plan = PlanOf(OddModel(), ranks);
    EXPECT_EQ(plan["parameters"], whole["parameters"]);
    EXPECT_EQ(plan["tp"], ranks);
    std::int64_t heads = 0, columns = 0, rows = 0, unique = 0;
    for (const Json& rank : plan["ranks"]) {
      heads += rank["heads"].get<std::int64_t>();
      columns += rank["ffn_columns"].get<std::int64_t>();
      rows += rank["vocab_rows"].get<std::int64_t>();
      unique += rank["unique_parameters"].get<std::int64_t>();
      const std::int64_t copies =
          rank["rank"] == 0 ? 0 : rank["replicated_parameters"].get<std::int64_t>();
      EXPECT_EQ(rank["parameters"], rank["unique_parameters"].get<std::int64_t>() + copies);
    }
    EXPECT_EQ(heads, 5);
    EXPECT_EQ(columns, 13);
    EXPECT_EQ(rows, 11);
    EXPECT_EQ(unique, plan["parameters"]["total"]);
  }
}

TEST(PlanJson, GivesTheSlicesAsRanges) {
  const Json plan = PlanOf(OddModel(), 2);
  EXPECT_EQ(plan["ranks"][0]["slices"]["heads"], Json({0, 3}));
  EXPECT_EQ(plan["ranks"][1]["slices"]["heads"], Json({3, 5}));
  EXPECT_EQ(plan["ranks"][1]["slices"]["vocab_rows"], Json({6, 11}));
}

TEST(PlanJson, CountsAllReducesOfBothResiduals) {
  EXPECT_EQ(PlanOf(OddModel(), 1)["all_reduces_per_token"], 3);
  EXPECT_EQ(PlanOf(OddModel(), 3)["all_reduces_per_token"], 3);
  ModelSpec sequential = OddModel();
  sequential.parallel_residual = false;
  const Json plan = PlanOf(sequential, 3);
  EXPECT_EQ(plan["all_reduces_per_token"], 5);
  EXPECT_EQ(plan["all_reduces"], Json({{"embedding", 1}, {"per_block", 2}, {"blocks", 2}}));
}

TEST(PlanJson, CountsBytesInTheDtype) {
  const Json fp32 = PlanOf(OddModel(), 1)["ranks"][0];
  const Json bf16 = PlanOf(OddModel(), 1, WeightFormat::kBF16)["ranks"][0];
  EXPECT_EQ(fp32["weight_bytes"], 4 * fp32["parameters"].get<std::int64_t>());
  // Norms and biases stay fp32.
  EXPECT_GT(bf16["weight_bytes"], 2 * fp32["parameters"].get<std::int64_t>());
  EXPECT_LT(bf16["weight_bytes"], fp32["weight_bytes"]);
  EXPECT_EQ(fp32["cache_bytes_per_token"], 2 * 2 * 20 * 4);
  EXPECT_EQ(bf16["cache_bytes_per_token"], 2 * 2 * 20 * 2);
}

// Five heads of four elements and a scale.
TEST(PlanJson, CountsTheScalesOfACacheOfEightBits) {
  const ShardPlan plan(OddModel(), 1);
  for (const DType cache : {DType::kI8, DType::kF8}) {
    const Json json =
        ParseJson(PlanJson(PlanObject({plan, "odd", WeightFormat::kBF16, cache})), "plan");
    EXPECT_EQ(json["ranks"][0]["cache_bytes_per_token"], 2 * 2 * 5 * (4 + 4));
  }
}

TEST(PlanTable, ShowsTheCountsToPeople) {
  ModelSpec spec = OddModel();
  spec.vocab_rows = 100'000;
  const ShardPlan plan(spec, 3);
  const std::string text = PlanTable({plan, "odd", WeightFormat::kBF16, DType::kBF16});
  EXPECT_THAT(text, testing::HasSubstr("odd: GPT-NeoX\n2 layers"));
  EXPECT_THAT(text, testing::HasSubstr("4,004,666 parameters"));
  EXPECT_THAT(text, testing::HasSubstr("  0-33333  "));
  EXPECT_THAT(text, testing::HasSubstr("3 all-reduces per token"));
}

}  // namespace
}  // namespace lockstep
