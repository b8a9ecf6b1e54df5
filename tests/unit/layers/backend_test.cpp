// Every operation of the cpu backend against the reference, over random shapes.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "layers/kernels/backend.h"
#include "layers/rotary_table.h"

namespace lockstep {
namespace {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  std::int64_t Int(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(engine_);
  }
  Tensor Fill(DType dtype, Shape shape, float scale = 1.0f) {
    std::uniform_real_distribution<float> values(-scale, scale);
    const Tensor wide = Tensor::OnHost(DType::kF32, shape);
    for (std::int64_t i = 0; i < wide.view().elements(); ++i)
      wide.view().data<float>()[i] = values(engine_);
    Tensor tensor = Tensor::OnHost(dtype, shape);
    ConvertElements(DType::kF32, wide.view().raw(), dtype, tensor.view().raw(),
                    static_cast<std::size_t>(shape.elements()));
    return tensor;
  }

 private:
  std::mt19937 engine_;
};

Tensor Copy(const Tensor& from) {
  Tensor to = Tensor::OnHost(from.view().dtype(), from.view().shape());
  ConvertElements(from.view().dtype(), from.view().raw(), from.view().dtype(), to.view().raw(),
                  static_cast<std::size_t>(from.view().elements()));
  return to;
}

void ExpectNear(const TensorView& found, const TensorView& expected, double tolerance) {
  ASSERT_EQ(found.shape(), expected.shape());
  double largest = 1e-30, difference = 0.0;
  for (std::int64_t i = 0; i < expected.elements(); ++i) {
    const double value = expected.data<float>()[i];
    largest = std::max(largest, std::abs(value));
    difference = std::max(difference, std::abs(found.data<float>()[i] - value));
  }
  EXPECT_LE(difference, tolerance * largest) << "of " << expected.shape().ToString();
}

struct Case {
  const char* name;
  DType dtype;
  int threads;
  double tolerance;
};

class BackendOperation : public testing::TestWithParam<Case> {
 protected:
  std::unique_ptr<Backend> reference_ = MakeBackend(BackendKind::kReference, 1);
  std::unique_ptr<Backend> tested_ = MakeBackend(BackendKind::kCpu, GetParam().threads);
  Random random_{42};
};

TEST_P(BackendOperation, LinearMatchesTheReference) {
  for (int round = 0; round < 40; ++round) {
    const std::int64_t tokens = random_.Int(0, 70), inputs = random_.Int(1, 200),
                       outputs = random_.Int(1, 130);
    const Tensor x = random_.Fill(DType::kF32, {tokens, inputs});
    const Tensor weight = random_.Fill(GetParam().dtype, {outputs, inputs});
    const Tensor bias =
        random_.Int(0, 1) == 0 ? Tensor() : random_.Fill(DType::kF32, {outputs}, 3.0f);
    const Tensor expected = random_.Fill(DType::kF32, {tokens, outputs});
    const Tensor found = Copy(expected);
    const auto activation = static_cast<Activation>(random_.Int(0, 2));
    const auto store = static_cast<Store>(random_.Int(0, 1));
    for (auto [backend, y] : {std::pair{reference_.get(), &expected}, {tested_.get(), &found}}) {
      const auto linear = backend->MakeLinear(Copy(weight), bias.empty() ? Tensor() : Copy(bias));
      EXPECT_EQ(linear->outputs(), outputs);
      EXPECT_EQ(linear->inputs(), inputs);
      backend->Linear({x.view(), linear.get(), y->view(), activation, store});
    }
    ExpectNear(found.view(), expected.view(), GetParam().tolerance);
  }
}

TEST_P(BackendOperation, LinearRowsDoNotDependOnTheBatch) {
  const Tensor weight = random_.Fill(GetParam().dtype, {37, 150});
  const Tensor x = random_.Fill(DType::kF32, {67, 150});
  const auto linear = tested_->MakeLinear(Copy(weight), Tensor());
  const Tensor whole = Tensor::OnHost(DType::kF32, {67, 37});
  tested_->Linear({.x = x.view(), .weight = linear.get(), .y = whole.view()});
  for (std::int64_t row = 0; row < 67; ++row) {
    const Tensor alone = Tensor::OnHost(DType::kF32, {1, 37});
    tested_->Linear({.x = x.view().Rows(row, 1), .weight = linear.get(), .y = alone.view()});
    for (std::int64_t i = 0; i < 37; ++i)
      ASSERT_EQ(alone.view().data<float>()[i], whole.view().data<float>()[row * 37 + i]);
  }
}

TEST_P(BackendOperation, LayerNormMatchesTheReference) {
  for (int round = 0; round < 20; ++round) {
    const std::int64_t tokens = random_.Int(0, 9), width = random_.Int(1, 300);
    const Tensor x = random_.Fill(DType::kF32, {tokens, width}, 10.0f);
    const Tensor weight = random_.Fill(DType::kF32, {width});
    const Tensor bias = random_.Fill(DType::kF32, {width});
    const Tensor expected = Tensor::OnHost(DType::kF32, {tokens, width});
    const Tensor found = Tensor::OnHost(DType::kF32, {tokens, width});
    reference_->LayerNorm({x.view(), weight.view(), bias.view(), 1e-5, expected.view()});
    tested_->LayerNorm({x.view(), weight.view(), bias.view(), 1e-5, found.view()});
    ExpectNear(found.view(), expected.view(), 1e-6);
  }
}

// Sequences of random lengths fed in random chunks, pages in random order.
TEST_P(BackendOperation, AttentionMatchesTheReference) {
  constexpr std::int64_t kPageTokens = 16;
  for (int round = 0; round < 24; ++round) {
    const std::int64_t heads = random_.Int(1, 5), d_head = 4 * random_.Int(1, 24);
    ModelSpec spec;
    spec.rotary_dims = 2 * random_.Int(0, d_head / 2);
    spec.context_tokens = 64;
    const RotaryTable rotary = MakeRotaryTable(spec, *reference_);
    const Tensor expected_cache =
        random_.Fill(GetParam().dtype, {8, 2, heads * kPageTokens, d_head});
    const Tensor found_cache = Copy(expected_cache);
    std::vector<SequenceRows> sequences{{.start = 0, .page_table = {7, 2}},
                                        {.start = 0, .page_table = {0, 5, 3}}};
    const auto layout = static_cast<QkvLayout>(random_.Int(0, 1));
    const auto kind = static_cast<RotaryKind>(random_.Int(0, 1));
    for (int step = 0; step < 3; ++step) {
      std::int64_t rows = 0;
      for (SequenceRows& sequence : sequences) {
        sequence.start += sequence.token_count;
        sequence.first_row = rows;
        sequence.token_count = random_.Int(0, 10);
        rows += sequence.token_count;
      }
      const Tensor qkv = random_.Fill(DType::kF32, {rows, 3 * heads * d_head}, 2.0f);
      const Tensor expected = Tensor::OnHost(DType::kF32, {rows, heads * d_head});
      const Tensor found = Tensor::OnHost(DType::kF32, {rows, heads * d_head});
      const auto run = [&](Backend& backend, const Tensor& cache, const Tensor& y) {
        const Tensor own = Copy(qkv);
        backend.Attention({.qkv = own.view(),
                           .layout = layout,
                           .rotary = {kind, spec.rotary_dims, rotary.cos.view(), rotary.sin.view()},
                           .sequences = sequences,
                           .cache = {cache.view(), heads, kPageTokens},
                           .y = y.view()});
      };
      run(*reference_, expected_cache, expected);
      run(*tested_, found_cache, found);
      ExpectNear(found.view(), expected.view(), 2e-6);
    }
  }
}

TEST_P(BackendOperation, EmbedGivesZerosForRowsOfOtherRanks) {
  const Tensor table = random_.Fill(GetParam().dtype, {10, 33});
  const std::vector<std::int32_t> ids{19, 20, 29, 30, 25};
  const Tensor expected = Tensor::OnHost(DType::kF32, {5, 33});
  const Tensor found = Tensor::OnHost(DType::kF32, {5, 33});
  reference_->Embed(ids, table.view(), {20, 30}, expected.view());
  tested_->Embed(ids, table.view(), {20, 30}, found.view());
  ExpectNear(found.view(), expected.view(), 0.0);
  EXPECT_EQ(found.view().data<float>()[0], 0.0f);
  EXPECT_NE(found.view().data<float>()[33], 0.0f);
  EXPECT_EQ(found.view().data<float>()[3 * 33], 0.0f);
}

TEST_P(BackendOperation, AddResidualTakesNoneOneOrTwoBiases) {
  const Tensor delta = random_.Fill(DType::kF32, {3, 20});
  const Tensor a = random_.Fill(DType::kF32, {20}), b = random_.Fill(DType::kF32, {20});
  const Tensor start = random_.Fill(DType::kF32, {3, 20});
  for (int biases = 0; biases <= 2; ++biases) {
    const Tensor expected = Copy(start), found = Copy(start);
    const TensorView first = biases > 0 ? a.view() : TensorView();
    const TensorView second = biases > 1 ? b.view() : TensorView();
    reference_->AddResidual(expected.view(), delta.view(), first, second);
    tested_->AddResidual(found.view(), delta.view(), first, second);
    ExpectNear(found.view(), expected.view(), 1e-7);
  }
}

TEST_P(BackendOperation, StatisticsMatchTheReference) {
  const Tensor logits = random_.Fill(DType::kF32, {4, 50}, 20.0f);
  const std::vector<std::int64_t> targets{-1, 0, 49, 7};
  for (const std::int64_t columns : {50, 13, 1, 0}) {
    std::vector<std::int64_t> asked = targets;
    for (std::int64_t& target : asked) target = std::min(target, columns - 1);
    const auto expected = reference_->Statistics(logits.view(), asked, columns);
    const auto found = tested_->Statistics(logits.view(), asked, columns);
    for (std::size_t row = 0; row < 4; ++row) {
      EXPECT_EQ(found[row].max, expected[row].max);
      EXPECT_EQ(found[row].argmax, expected[row].argmax);
      EXPECT_EQ(found[row].target, expected[row].target);
      EXPECT_NEAR(found[row].sum_exp, expected[row].sum_exp, 1e-6 * expected[row].sum_exp);
    }
  }
}

TEST_P(BackendOperation, StatisticsNameTheLowestOfEqualLogits) {
  const Tensor logits = Tensor::OnHost(DType::kF32, {1, 4});
  const float values[] = {1.0f, 5.0f, 5.0f, 2.0f};
  std::copy_n(values, 4, logits.view().data<float>());
  EXPECT_EQ(tested_->Statistics(logits.view(), std::vector<std::int64_t>{-1}, 4)[0].argmax, 1);
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

INSTANTIATE_TEST_SUITE_P(Cpu, BackendOperation,
                         testing::Values(Case{"fp32", DType::kF32, 1, 2e-6},
                                         Case{"fp32_3_threads", DType::kF32, 3, 2e-6},
                                         Case{"bf16", DType::kBF16, 1, 2e-6},
                                         Case{"bf16_3_threads", DType::kBF16, 3, 2e-6}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace lockstep
