// The cpu backend's smaller operations against the reference.
#include <gmock/gmock.h>

#include "backend_fixture.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

TEST_P(BackendOperation, LayerNormMatchesTheReference) {
  for (int round = 0; round < 20; ++round) {
    const std::int64_t tokens = random_.Int(0, 9), width = random_.Int(1, 300);
    // Of small values epsilon is most of what is divided by.
    const float scale = round % 2 == 0 ? 10.0f : 1e-3f;
    const Tensor x = random_.Fill(DType::kF32, {tokens, width}, scale);
    const Tensor weight = random_.Fill(DType::kF32, {width});
    const Tensor bias = random_.Fill(DType::kF32, {width});
    const Tensor expected = Tensor::OnHost(DType::kF32, {tokens, width});
    const Tensor found = Tensor::OnHost(DType::kF32, {tokens, width});
    reference_->LayerNorm({x.view(), weight.view(), bias.view(), 1e-5, expected.view()});
    tested_->LayerNorm({x.view(), weight.view(), bias.view(), 1e-5, found.view()});
    ExpectNear(found.view(), expected.view(), 1e-6);
  }
}

TEST_P(BackendOperation, EmbedGivesZerosForRowsOfOtherRanks) {
  const Tensor table = random_.Fill(GetParam().cache(), {10, 33});
  const std::vector<std::int32_t> ids{19, 20, 29, 30, 25};
  const Tensor expected = Tensor::OnHost(DType::kF32, {5, 33});
  const Tensor found = Tensor::OnHost(DType::kF32, {5, 33});
  const TablePart part{table.view(), {20, 30}};
  reference_->Embed({.ids = ids, .tokens = part, .y = expected.view()});
  tested_->Embed({.ids = ids, .tokens = part, .y = found.view()});
  ExpectNear(found.view(), expected.view(), 0.0);
  EXPECT_EQ(found.view().data<float>()[0], 0.0f);
  EXPECT_NE(found.view().data<float>()[33], 0.0f);
  EXPECT_EQ(found.view().data<float>()[3 * 33], 0.0f);
}

// Two ranks have a part of each table: what they find adds up to what one finds, in every bit.
TEST_P(BackendOperation, EmbedAddsTheRowOfThePositionWhereThisRankHasIt) {
  constexpr std::int64_t kWidth = 33;
  const Tensor table = random_.Fill(GetParam().cache(), {20, kWidth});
  const Tensor positions = random_.Fill(GetParam().cache(), {12, kWidth});
  const std::vector<std::int32_t> ids{19, 0, 7, 3, 12};
  const std::vector<SequenceRows> sequences{
      {.first_row = 3, .token_count = 2, .start = 5, .page_table = {}},
      {.first_row = 0, .token_count = 3, .start = 9, .page_table = {}}};
  const auto run = [&](Ops& ops, Range tokens, Range places) {
    Tensor y = Tensor::OnHost(DType::kF32, {5, kWidth});
    ops.Embed({.ids = ids,
               .tokens = {table.view().Rows(tokens.begin, tokens.size()), tokens},
               .sequences = sequences,
               .positions = {positions.view().Rows(places.begin, places.size()), places},
               .y = y.view()});
    return y;
  };
  const Tensor whole = run(*tested_, {0, 20}, {0, 12});
  ExpectNear(whole.view(), run(*reference_, {0, 20}, {0, 12}).view(), 0.0);
  const Tensor first = run(*tested_, {0, 7}, {0, 10}), second = run(*tested_, {7, 20}, {10, 12});
  for (std::int64_t i = 0; i < 5 * kWidth; ++i)
    ASSERT_EQ(first.view().data<float>()[i] + second.view().data<float>()[i],
              whole.view().data<float>()[i]);
  // Row 4 is token 12 at position 6.
  float one = 0.0f, place = 0.0f;
  const auto bytes = static_cast<std::int64_t>(SizeOf(table.view().dtype())) * kWidth;
  ConvertElements(table.view().dtype(), static_cast<std::byte*>(table.view().raw()) + 12 * bytes,
                  DType::kF32, &one, 1);
  ConvertElements(table.view().dtype(), static_cast<std::byte*>(positions.view().raw()) + 6 * bytes,
                  DType::kF32, &place, 1);
  EXPECT_EQ(whole.view().data<float>()[4 * kWidth], one + place);
}

TEST(CpuOps, RefuseHeadsThatAreWiderThanTheirScratch) {
  const auto ops = MakeBackend(BackendKind::kCpu, 1).ops;
  EXPECT_EQ(ops->CacheWidth(512, DType::kF32), 512);
  EXPECT_THAT(MessageOf([&] { ops->CacheWidth(513, DType::kF32); }),
              testing::HasSubstr("heads of 513 dims"));
}

TEST_P(BackendOperation, AddResidualTakesNoneOneOrTwoBiases) {
  const Tensor delta = random_.Fill(DType::kF32, {3, 20});
  const Tensor a = random_.Fill(DType::kF32, {20}), b = random_.Fill(DType::kF32, {20});
  const Tensor start = random_.Fill(DType::kF32, {3, 20});
  for (int biases = 0; biases <= 2; ++biases) {
    const Tensor expected = Copy(start), found = Copy(start);
    const TensorView first = biases > 0 ? a.view() : TensorView();
    const TensorView second = biases > 1 ? b.view() : TensorView();
    for (auto [backend, x] : {std::pair{reference_.get(), &expected}, {tested_.get(), &found}})
      backend->AddResidualNorm(
          {.x = x->view(), .delta = delta.view(), .bias_a = first, .bias_b = second});
    ExpectNear(found.view(), expected.view(), 1e-7);
  }
}

TEST_P(BackendOperation, AddResidualNormHasTheBitsOfItsParts) {
  const Tensor weights[2] = {random_.Fill(DType::kF32, {20}), random_.Fill(DType::kF32, {20})};
  const Tensor bias = random_.Fill(DType::kF32, {20});
  const Tensor delta = random_.Fill(DType::kF32, {3, 20}),
               start = random_.Fill(DType::kF32, {3, 20});
  for (const bool adds : {false, true})
    for (std::size_t norms = 0; norms <= 2; ++norms) {
      const Tensor expected = Copy(start), found = Copy(start);
      const Tensor outputs[2] = {Copy(start), Copy(start)}, wanted[2] = {Copy(start), Copy(start)};
      ResidualArgs args{.x = found.view(), .epsilon = 1e-3};
      if (adds) args.delta = delta.view(), args.bias_b = bias.view();
      if (adds)
        tested_->AddResidualNorm(
            {.x = expected.view(), .delta = delta.view(), .bias_b = bias.view()});
      for (std::size_t i = 0; i < norms; ++i) {
        args.norms[i] = {weights[i].view(), bias.view(), outputs[i].view()};
        tested_->LayerNorm(
            {expected.view(), weights[i].view(), bias.view(), 1e-3, wanted[i].view()});
      }
      tested_->AddResidualNorm(args);
      ExpectNear(found.view(), expected.view(), 0.0);
      for (std::size_t i = 0; i < 2; ++i) ExpectNear(outputs[i].view(), wanted[i].view(), 0.0);
    }
}

TEST_P(BackendOperation, StatisticsMatchTheReference) {
  const Tensor logits = random_.Fill(DType::kF32, {4, 5000}, 20.0f);
  const std::vector<std::int64_t> targets{-1, 0, 4999, 1007};
  const std::vector<Range> ranges{{0, 13}, {13, 13}, {13, 14}, {14, 2500}, {2500, 5000}};
  const auto expected = reference_->Statistics(logits.view(), targets, ranges);
  const auto found = tested_->Statistics(logits.view(), targets, ranges);
  ASSERT_EQ(found.size(), 20u);
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].max, expected[i].max);
    if (ranges[i % 5].size() > 0) {
      EXPECT_EQ(found[i].argmax, expected[i].argmax);
    }
    EXPECT_EQ(found[i].target, expected[i].target);
    EXPECT_NEAR(found[i].sum_exp, expected[i].sum_exp, 1e-6 * expected[i].sum_exp);
  }
  EXPECT_EQ(found[5].target, logits.view().data<float>()[5000]);
}

TEST_P(BackendOperation, StatisticsNameTheLowestOfEqualLogits) {
  const Tensor logits = Tensor::OnHost(DType::kF32, {1, 4});
  const float values[] = {1.0f, 5.0f, 5.0f, 2.0f};
  std::copy_n(values, 4, logits.view().data<float>());
  const std::vector<std::int64_t> targets{-1};
  const std::vector<Range> ranges{{0, 4}};
  EXPECT_EQ(tested_->Statistics(logits.view(), targets, ranges)[0].argmax, 1);
}

TEST_P(BackendOperation, SelectRowsCopiesInTheAskedOrder) {
  const Tensor x = random_.Fill(DType::kF32, {5, 3});
  const Tensor y = Tensor::OnHost(DType::kF32, {3, 3});
  const std::vector<std::int64_t> rows{4, 0, 4};
  tested_->SelectRows(x.view(), rows, y.view());
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::int64_t d = 0; d < 3; ++d)
      EXPECT_EQ(y.view().data<float>()[static_cast<std::int64_t>(i) * 3 + d],
                x.view().data<float>()[rows[i] * 3 + d]);
}

INSTANTIATE_TEST_SUITE_P(Cpu, BackendOperation, testing::ValuesIn(BackendCases()), CaseName);

}  // namespace
}  // namespace lockstep
