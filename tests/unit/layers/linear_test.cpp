// The cpu backend's products: against the reference, and the order of their sums.
#include <cstring>

#include "backend_fixture.h"

namespace lockstep {
namespace {

LinearSource Source(const Tensor& weight, const Tensor& bias, WeightFormat format) {
  LinearSource source{.parts = {}, .bias = bias.empty() ? Tensor() : Copy(bias), .format = format};
  source.parts.push_back({Copy(weight), {}});
  return source;
}

void SetElement(const Tensor& weight, std::int64_t i, float value) {
  if (weight.view().dtype() == DType::kF32) {
    weight.view().data<float>()[i] = value;
  } else {
    weight.view().data<BFloat16>()[i] = BFloat16(value);
  }
}

// Rounding errors of a sum grow with its terms, not with what they leave of each other.
double Terms(std::int64_t inputs) { return 0.1 * static_cast<double>(inputs); }

class LinearOperation : public BackendOperation {
 protected:
  Tensor Weight(std::int64_t outputs, std::int64_t inputs) {
    return random_.Fill(SourceDType(GetParam().format), {outputs, inputs});
  }
};

TEST_P(LinearOperation, LinearMatchesTheReference) {
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
      backend->Linear(
          {.x = x.view(), .weight = linear.get(), .y = y->view(), .activation = activation});
    }
    ExpectNear(found.view(), expected.view(), GetParam().tolerance, Terms(inputs));
  }
}

// Every block of inputs of another size, so that each needs its own scale.
Tensor UnevenWeight(DType dtype, std::int64_t outputs, std::int64_t inputs, Random& random) {
  const Tensor wide = random.Fill(DType::kF32, {outputs, inputs});
  constexpr std::int64_t kBlock = 64;
  for (std::int64_t i = 0; i < outputs * inputs; ++i)
    wide.view().data<float>()[i] *= std::exp2(static_cast<float>(i % inputs / kBlock * 5 % 7));
  Tensor weight = Tensor::OnHost(dtype, {outputs, inputs});
  ConvertElements(DType::kF32, wide.view().raw(), dtype, weight.view().raw(),
                  static_cast<std::size_t>(outputs * inputs));
  return weight;
}

// Long prompts through wide layers go in chunks of the inputs, each with its own scales.
TEST_P(LinearOperation, ManyRowsOfManyInputsMatchTheReference) {
  const std::int64_t tokens = 150, inputs = 5000, outputs = 40;
  const Tensor x = random_.Fill(DType::kF32, {tokens, inputs});
  const Tensor weight = UnevenWeight(SourceDType(GetParam().format), outputs, inputs, random_);
  const Tensor expected = Tensor::OnHost(DType::kF32, {tokens, outputs});
  const Tensor found = Tensor::OnHost(DType::kF32, {tokens, outputs});
  for (auto [backend, y] : {std::pair{reference_.get(), &expected}, {tested_.get(), &found}}) {
    const auto linear = backend->MakeLinear(Source(weight, Tensor(), GetParam().format));
    backend->Linear({.x = x.view(), .weight = linear.get(), .y = y->view()});
  }
  ExpectNear(found.view(), expected.view(), std::max(GetParam().tolerance, 1e-5));
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

TEST_P(LinearOperation, ALinearOfTwoPartsAddsThem) {
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

// A rank with fewer heads than leaves has some without inputs.
TEST_P(LinearOperation, LeavesWithoutInputsAddNothing) {
  const std::int64_t tokens = 3, inputs = 100, outputs = 40;
  const Tensor x = random_.Fill(DType::kF32, {tokens, inputs}, 100.0f);
  const Tensor weight = Weight(outputs, inputs);
  const Tensor none = Tensor::OnHost(weight.view().dtype(), {outputs, 1});
  std::memset(none.view().raw(), 0, none.view().bytes());
  const Tensor zero = Tensor::OnHost(DType::kF32, {tokens, 1});
  std::memset(zero.view().raw(), 0, zero.view().bytes());
  const Tensor expected = Tensor::OnHost(DType::kF32, {tokens, outputs});
  const Tensor found = Tensor::OnHost(DType::kF32, {tokens, outputs});
  // The first one leaves sums of every leaf behind.
  for (const std::vector<Range>& leaves :
       {std::vector<Range>{{0, 25}, {25, 50}, {50, 75}, {75, 100}},
        {{0, 0}, {0, 60}, {60, 60}, {60, 100}},
        {{0, 60}, {60, 60}, {60, 100}, {100, 100}}}) {
    const std::vector<Range> of_none(4, Range{0, 0});
    for (auto [backend, y] : {std::pair{reference_.get(), &expected}, {tested_.get(), &found}}) {
      const auto linear =
          backend->MakeLinear(TwoParts(weight, none, leaves, of_none, GetParam().format));
      backend->Linear(
          {.x = x.view(), .x_second = zero.view(), .weight = linear.get(), .y = y->view()});
    }
    ExpectNear(found.view(), expected.view(), std::max(GetParam().tolerance, 1e-5));
  }
}

// What makes rank counts equal: the halves' results, added, are the whole's result to the bit.
TEST_P(LinearOperation, TheHalvesOfALinearAddUpToItsBits) {
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
  const auto backend = MakeBackend(BackendKind::kCpu, 1).ops;
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

TEST_P(LinearOperation, LinearRowsDoNotDependOnTheBatch) {
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
TEST_P(LinearOperation, OutlierChannelsOnlyCoarsenTheirOwnGroup) {
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
  for (std::int64_t output = 0; output < outputs; ++output)
    SetElement(weight, output * inputs + 1000, 0.0f);
  // One scale for the whole token would make the error of int8 a hundred times as large.
  EXPECT_LE(error(), 40.0 * before + 1e-5);
}

// The largest numbers that quantised rows and weights have, all of one sign: what random ones never
// bring together, and what sums of 16 bits would be cut off at.
TEST_P(LinearOperation, TheLargestSumsAreNotCutOff) {
  const std::int64_t inputs = 512, outputs = 40;
  for (const std::int64_t tokens : {1, 2, 3, 7, 16})
    for (const float sign : {1.0f, -1.0f})
      // Either all weights are the largest in 8 bits, or all but one of 64 the largest in 4.
      for (const auto& [weight_of_most, weight_of_first] : {std::pair{1.0f, 1.0f}, {7.0f, -8.0f}}) {
        const Tensor x = random_.Fill(DType::kF32, {tokens, inputs});
        std::fill_n(x.view().data<float>(), tokens * inputs, sign);
        const Tensor weight = Weight(outputs, inputs);
        for (std::int64_t i = 0; i < outputs * inputs; ++i)
          SetElement(weight, i, i % 64 == 0 ? weight_of_first : weight_of_most);
        const auto linear = tested_->MakeLinear(Source(weight, Tensor(), GetParam().format));
        const Tensor y = Tensor::OnHost(DType::kF32, {tokens, outputs});
        tested_->Linear({.x = x.view(), .weight = linear.get(), .y = y.view()});
        const float expected = sign * (weight_of_most * 504.0f + weight_of_first * 8.0f);
        for (std::int64_t i = 0; i < tokens * outputs; ++i)
          ASSERT_NEAR(y.view().data<float>()[i], expected, 0.01f * std::abs(expected))
              << tokens << " rows";
      }
}

INSTANTIATE_TEST_SUITE_P(Cpu, LinearOperation, testing::ValuesIn(BackendCases()), CaseName);

}  // namespace
}  // namespace lockstep
