// Every operation of the cpu backend against the reference, over random shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
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

// The largest difference is at most `tolerance` of the largest value, or of `least` if that is
// more.
void ExpectNear(const TensorView& found, const TensorView& expected, double tolerance,
                double least = 1e-30) {
  ASSERT_EQ(found.shape(), expected.shape());
  double largest = least, difference = 0.0;
  for (std::int64_t i = 0; i < expected.elements(); ++i) {
    const double value = expected.data<float>()[i];
    largest = std::max(largest, std::abs(value));
    difference = std::max(difference, std::abs(found.data<float>()[i] - value));
  }
  EXPECT_LE(difference, tolerance * largest) << "of " << expected.shape().ToString();
}

struct Case {
  const char* name;
  WeightFormat format;
  int threads;
  double tolerance;            // of a product, as a part of the largest result
  double attention_tolerance;  // likewise; the reference keeps queries and probabilities in fp32

  DType cache() const { return TableDType(format); }
};

LinearSource Source(const Tensor& weight, const Tensor& bias, WeightFormat format) {
  LinearSource source{.parts = {}, .bias = bias.empty() ? Tensor() : Copy(bias), .format = format};
  source.parts.push_back({Copy(weight), {}});
  return source;
}

// Rounding errors of a sum grow with its terms, not with what they leave of each other.
double Terms(std::int64_t inputs) { return 0.1 * static_cast<double>(inputs); }

class BackendOperation : public testing::TestWithParam<Case> {
 protected:
  std::unique_ptr<Backend> reference_ = MakeBackend(BackendKind::kReference, 1);
  std::unique_ptr<Backend> tested_ = MakeBackend(BackendKind::kCpu, GetParam().threads);
  Random random_{42};

  Tensor Weight(std::int64_t outputs, std::int64_t inputs) {
    return random_.Fill(SourceDType(GetParam().format), {outputs, inputs});
  }
};

TEST_P(BackendOperation, LinearMatchesTheReference) {
  for (int round = 0; round < 40; ++round) {
    const std::int64_t tokens = random_.Int(0, 70), inputs = random_.Int(1, 700),
                       outputs = random_.Int(1, 130);
    const Tensor x = random_.Fill(DType::kF32, {tokens, inputs});
    const Tensor weight = Weight(outputs, inputs);
    const Tensor bias =
        random_.Int(0, 1) == 0 ? Tensor() : random_.Fill(DType::kF32, {outputs}, 3.0f);
    const Tensor expected = Tensor::OnHost(DType::kF32, {tokens, outputs});
    const Tensor found = Tensor::OnHost(DType::kF32, {tokens, outputs});
    const auto activation = static_cast<Activation>(random_.Int(0, 2));
    for (auto [backend, y] : {std::pair{reference_.get(), &expected}, {tested_.get(), &found}}) {
      const auto linear = backend->MakeLinear(Source(weight, bias, GetParam().format));
      EXPECT_EQ(linear->outputs(), outputs);
      EXPECT_EQ(linear->inputs(), inputs);
      backend->Linear({.x = x.view(),
                       .weight = linear.get(),
                       .y = y->view(),
                       .activation = activation});
    }
    ExpectNear(found.view(), expected.view(), GetParam().tolerance, Terms(inputs));
  }
}

// Two matrices, their inputs cut into leaves of random widths, some of them empty.
LinearSource TwoParts(const Tensor& a, const Tensor& b, const std::vector<Range>& a_leaves,
                      const std::vector<Range>& b_leaves, WeightFormat format) {
  LinearSource source{.parts = {}, .bias = {}, .format = format};
  source.parts.push_back({Copy(a), a_leaves});
  source.parts.push_back({Copy(b), b_leaves});
  return source;
}

std::vector<Range> RandomLeaves(std::int64_t total, std::size_t count, Random& random) {
  std::vector<std::int64_t> cuts{0, total};
  while (cuts.size() <= count) cuts.push_back(random.Int(0, total));
  std::sort(cuts.begin(), cuts.end());
  std::vector<Range> leaves;
  for (std::size_t i = 0; i < count; ++i) leaves.push_back({cuts[i], cuts[i + 1]});
  return leaves;
}

TEST_P(BackendOperation, ALinearOfTwoPartsAddsThem) {
  for (int round = 0; round < 20; ++round) {
    const std::int64_t tokens = random_.Int(1, 40), first = random_.Int(1, 200),
                       second = random_.Int(1, 400), outputs = random_.Int(1, 200);
    const Tensor a = Weight(outputs, first), b = Weight(outputs, second);
    const Tensor x = random_.Fill(DType::kF32, {tokens, first});
    const Tensor z = random_.Fill(DType::kF32, {tokens, second});
    const auto leaves = static_cast<std::size_t>(1 << random_.Int(0, 3));
    const auto a_leaves = RandomLeaves(first, leaves, random_);
    const auto b_leaves = RandomLeaves(second, leaves, random_);
    const Tensor expected = Tensor::OnHost(DType::kF32, {tokens, outputs});
    const Tensor found = Tensor::OnHost(DType::kF32, {tokens, outputs});
    for (auto [backend, y] : {std::pair{reference_.get(), &expected}, {tested_.get(), &found}}) {
      const auto linear =
          backend->MakeLinear(TwoParts(a, b, a_leaves, b_leaves, GetParam().format));
      backend->Linear(
          {.x = x.view(), .x_second = z.view(), .weight = linear.get(), .y = y->view()});
    }
    ExpectNear(found.view(), expected.view(), GetParam().tolerance, Terms(first + second));
  }
}

// What makes rank counts equal: the halves' results, added, are the whole's result to the bit.
TEST_P(BackendOperation, TheHalvesOfALinearAddUpToItsBits) {
  const std::int64_t tokens = 5, inputs = 8 * 70, outputs = 50;
  const Tensor weight = Weight(outputs, inputs);
  const Tensor x = random_.Fill(DType::kF32, {tokens, inputs});
  const auto leaves = RandomLeaves(inputs, 8, random_);
  const auto run = [&](std::size_t first, std::size_t count) {
    const std::int64_t begin = leaves[first].begin, end = leaves[first + count - 1].end;
    std::vector<Range> local;
    for (std::size_t i = first; i < first + count; ++i)
      local.push_back({leaves[i].begin - begin, leaves[i].end - begin});
    const Tensor part = Tensor::OnHost(weight.view().dtype(), {outputs, end - begin});
    const Tensor rows = Tensor::OnHost(DType::kF32, {tokens, end - begin});
    const auto cut = [&](const Tensor& from, const Tensor& to) {
      const std::size_t size = SizeOf(from.view().dtype());
      for (std::int64_t row = 0; row < from.view().dim(0); ++row)
        std::memcpy(static_cast<std::byte*>(to.view().raw()) +
                        static_cast<std::size_t>(row * (end - begin)) * size,
                    static_cast<const std::byte*>(from.view().raw()) +
                        static_cast<std::size_t>(row * inputs + begin) * size,
                    static_cast<std::size_t>(end - begin) * size);
    };
    cut(weight, part);
    cut(x, rows);
    LinearSource source{.parts = {}, .bias = {}, .format = GetParam().format};
    source.parts.push_back({Copy(part), local});
    const auto linear = tested_->MakeLinear(std::move(source));
    Tensor y = Tensor::OnHost(DType::kF32, {tokens, outputs});
    tested_->Linear({.x = rows.view(), .weight = linear.get(), .y = y.view()});
    return y;
  };
  const Tensor whole = run(0, 8);
  const Tensor left = run(0, 4), right = run(4, 4);
  const Tensor quarters[] = {run(0, 2), run(2, 2), run(4, 2), run(6, 2)};
  for (std::int64_t i = 0; i < tokens * outputs; ++i) {
    const auto at = [&](const Tensor& tensor) { return tensor.view().data<float>()[i]; };
    ASSERT_EQ(at(left) + at(right), at(whole)) << i;
    ASSERT_EQ((at(quarters[0]) + at(quarters[1])) + (at(quarters[2]) + at(quarters[3])), at(whole));
  }
}

// The documented order, addition by addition: one chain through a leaf, then the tree of leaves.
TEST(SummationOrder, IsTheDocumentedOne) {
  const std::int64_t inputs = 200, outputs = 40;
  Random random(7);
  const Tensor weight = random.Fill(DType::kF32, {outputs, inputs});
  const Tensor x = random.Fill(DType::kF32, {1, inputs});
  const auto leaves = RandomLeaves(inputs, 4, random);
  const auto backend = MakeBackend(BackendKind::kCpu, 1);
  LinearSource source{.parts = {}, .bias = {}, .format = WeightFormat::kF32};
  source.parts.push_back({Copy(weight), leaves});
  const auto linear = backend->MakeLinear(std::move(source));
  const Tensor y = Tensor::OnHost(DType::kF32, {1, outputs});
  backend->Linear({.x = x.view(), .weight = linear.get(), .y = y.view()});

  // With fused multiply-adds, or without on a processor that has none.
  const auto count_equal = [&](auto multiply_add) {
    std::int64_t equal = 0;
    for (std::int64_t output = 0; output < outputs; ++output) {
      float sums[4] = {};
      for (std::size_t leaf = 0; leaf < 4; ++leaf)
        for (std::int64_t i = leaves[leaf].begin; i < leaves[leaf].end; ++i)
          sums[leaf] = multiply_add(weight.view().data<float>()[output * inputs + i],
                                    x.view().data<float>()[i], sums[leaf]);
      const float all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      equal += all == y.view().data<float>()[output] ? 1 : 0;
    }
    return equal;
  };
  const std::int64_t fused =
      count_equal([](float a, float b, float c) { return std::fma(a, b, c); });
  const std::int64_t apart = count_equal([](float a, float b, float c) { return c + a * b; });
  EXPECT_EQ(std::max(fused, apart), outputs);
}

TEST_P(BackendOperation, LinearRowsDoNotDependOnTheBatch) {
  const std::int64_t inputs = 650, outputs = 137, tokens = 67;
  const Tensor weight = Weight(outputs, inputs);
  const Tensor x = random_.Fill(DType::kF32, {tokens, inputs});
  const auto linear = tested_->MakeLinear(Source(weight, Tensor(), GetParam().format));
  const Tensor whole = Tensor::OnHost(DType::kF32, {tokens, outputs});
  tested_->Linear({.x = x.view(), .weight = linear.get(), .y = whole.view()});
  for (const std::int64_t count : {1, 2, 5, 7, 15, 16, 17, 32, 33}) {
    const Tensor some = Tensor::OnHost(DType::kF32, {count, outputs});
    for (std::int64_t row = 0; row + count <= tokens; row += count) {
      tested_->Linear({.x = x.view().Rows(row, count), .weight = linear.get(), .y = some.view()});
      for (std::int64_t i = 0; i < count * outputs; ++i)
        ASSERT_EQ(some.view().data<float>()[i], whole.view().data<float>()[row * outputs + i])
            << count << " rows from row " << row;
    }
  }
}

// Channels a hundred times larger than the others must not drown them: each token has a scale for
// every group of inputs.
TEST_P(BackendOperation, OutlierChannelsOnlyCoarsenTheirOwnGroup) {
  const std::int64_t inputs = 2048, outputs = 64, tokens = 8;
  const Tensor weight = Weight(outputs, inputs);
  const Tensor x = random_.Fill(DType::kF32, {tokens, inputs});
  const auto error = [&] {
    const Tensor expected = Tensor::OnHost(DType::kF32, {tokens, outputs});
    const Tensor found = Tensor::OnHost(DType::kF32, {tokens, outputs});
    for (auto [backend, y] : {std::pair{reference_.get(), &expected}, {tested_.get(), &found}}) {
      const auto linear = backend->MakeLinear(Source(weight, Tensor(), GetParam().format));
      backend->Linear({.x = x.view(), .weight = linear.get(), .y = y->view()});
    }
    double squares = 0.0;
    for (std::int64_t i = 0; i < tokens * outputs; ++i)
      squares += std::pow(found.view().data<float>()[i] - expected.view().data<float>()[i], 2);
    return std::sqrt(squares / static_cast<double>(tokens * outputs));
  };
  const double before = error();
  // An outlier that no weight listens to: all it can do is harm.
  for (std::int64_t token = 0; token < tokens; ++token)
    x.view().data<float>()[token * inputs + 1000] = 100.0f;
  for (std::int64_t output = 0; output < outputs; ++output) {
    const std::int64_t at = output * inputs + 1000;
    if (weight.view().dtype() == DType::kF32) {
      weight.view().data<float>()[at] = 0.0f;
    } else {
      weight.view().data<BFloat16>()[at] = BFloat16(0.0f);
    }
  }
  // One scale for the whole token would make the error of int8 a hundred times as large.
  EXPECT_LE(error(), 40.0 * before + 1e-5);
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
  constexpr std::int64_t kPageTokens = 32;
  for (int round = 0; round < 24; ++round) {
    const std::int64_t heads = random_.Int(1, 5), d_head = 4 * random_.Int(1, 24);
    ModelSpec spec;
    spec.rotary_dims = 2 * random_.Int(0, d_head / 2);
    spec.context_tokens = 400;
    const RotaryTable rotary = MakeRotaryTable(spec, *reference_);
    const Tensor expected_cache =
        random_.Fill(GetParam().cache(), {24, 2, heads * kPageTokens, d_head});
    // What the pages held before must not matter.
    const Tensor found_cache = Tensor::OnHost(
        GetParam().cache(), {24, 2, heads * kPageTokens, tested_->CacheWidth(d_head)});
    std::memset(found_cache.view().raw(), 0xff, found_cache.view().bytes());
    std::vector<SequenceRows> sequences{
        {.start = 0, .page_table = {7, 2, 11, 9, 8, 10, 1, 4, 6, 12, 13, 20}},
        {.start = 0, .page_table = {0, 5, 3, 14, 15, 16, 17, 18, 19, 21, 22, 23}}};
    const auto layout = static_cast<QkvLayout>(random_.Int(0, 1));
    const auto kind = static_cast<RotaryKind>(random_.Int(0, 1));
    for (int step = 0; step < 4; ++step) {
      std::int64_t rows = 0;
      for (SequenceRows& sequence : sequences) {
        sequence.start += sequence.token_count;
        sequence.first_row = rows;
        sequence.token_count = random_.Int(0, 9) == 0 ? random_.Int(0, 120) : random_.Int(0, 40);
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
                           .cache = {cache.view(), heads, kPageTokens, d_head},
                           .y = y.view()});
      };
      run(*reference_, expected_cache, expected);
      run(*tested_, found_cache, found);
      ExpectNear(found.view(), expected.view(), GetParam().attention_tolerance);
    }
  }
}

// One token at a time, in chunks, and whole: the same bits in every row.
TEST_P(BackendOperation, AttentionDoesNotDependOnTheChunks) {
  constexpr std::int64_t kPageTokens = 32, kTokens = 300, kHeads = 2, kHead = 80;
  ModelSpec spec;
  spec.rotary_dims = 20;
  spec.context_tokens = kTokens;
  const RotaryTable rotary = MakeRotaryTable(spec, *reference_);
  const Tensor qkv = random_.Fill(DType::kF32, {kTokens, 3 * kHeads * kHead}, 2.0f);
  const auto run = [&](std::int64_t chunk) {
    const Tensor own = Copy(qkv);
    const Tensor cache = Tensor::OnHost(GetParam().cache(),
                                        {10, 2, kHeads * kPageTokens, tested_->CacheWidth(kHead)});
    std::memset(cache.view().raw(), 0xff, cache.view().bytes());
    Tensor y = Tensor::OnHost(DType::kF32, {kTokens, kHeads * kHead});
    for (std::int64_t start = 0; start < kTokens; start += chunk) {
      const std::int64_t count = std::min(chunk, kTokens - start);
      const std::vector<SequenceRows> sequences{{.first_row = 0,
                                                 .token_count = count,
                                                 .start = start,
                                                 .page_table = {3, 1, 4, 0, 5, 9, 2, 6, 8, 7}}};
      tested_->Attention(
          {.qkv = own.view().Rows(start, count),
           .rotary = {.dims = 20, .cos = rotary.cos.view(), .sin = rotary.sin.view()},
           .sequences = sequences,
           .cache = {cache.view(), kHeads, kPageTokens, kHead},
           .y = y.view().Rows(start, count)});
    }
    return y;
  };
  const Tensor whole = run(kTokens);
  for (const std::int64_t chunk : {1, 7, 16, 100, 299}) {
    const Tensor pieces = run(chunk);
    for (std::int64_t i = 0; i < kTokens * kHeads * kHead; ++i)
      ASSERT_EQ(pieces.view().data<float>()[i], whole.view().data<float>()[i])
          << "chunks of " << chunk << ", token " << i / (kHeads * kHead);
  }
}

TEST_P(BackendOperation, EmbedGivesZerosForRowsOfOtherRanks) {
  const Tensor table = random_.Fill(GetParam().cache(), {10, 33});
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

INSTANTIATE_TEST_SUITE_P(Cpu, BackendOperation,
                         testing::Values(Case{"fp32", WeightFormat::kF32, 1, 3e-6, 3e-6},
                                         Case{"fp32_3_threads", WeightFormat::kF32, 3, 3e-6, 3e-6},
                                         Case{"bf16", WeightFormat::kBF16, 1, 3e-6, 2e-2},
                                         Case{"bf16_3_threads", WeightFormat::kBF16, 3, 3e-6, 2e-2},
                                         Case{"int8", WeightFormat::kInt8, 1, 1e-2, 2e-2},
                                         Case{"int8_3_threads", WeightFormat::kInt8, 3, 1e-2, 2e-2},
                                         Case{"int4", WeightFormat::kInt4, 1, 0.1, 2e-2}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace lockstep
