// Linears of weights in fewer bits: beside plain loops over what the bits stand for, of every
// number of rows that has a way of its own; and those bits beside the processor's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "core/numbers/float8.h"
#include "layers/kernels/backend.h"
#include "layers/kernels/cpu/kernels.h"
#include "layers/kernels/cuda/cuda_backend.h"
#include "layers/kernels/cuda/products/int4_block.h"
#include "layers/kernels/cuda/products/quantise.h"
#include "layers/kernels/cuda/products/quantise_int4.h"

namespace lockstep::cuda {
namespace {

Tensor RandomMatrix(Shape shape, std::mt19937& engine) {
  Tensor tensor = Tensor::OnHost(DType::kF32, shape);
  std::uniform_real_distribution<float> values(-1.0f, 1.0f);
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    tensor.view().data<float>()[i] = values(engine);
  return tensor;
}

// Each input's group, of groups that are counted anew from where each leaf begins.
std::vector<std::int64_t> GroupOfInputs(const std::vector<Range>& leaves, std::int64_t length) {
  std::vector<std::int64_t> groups;
  std::int64_t group = -1;
  for (const Range& leaf : leaves)
    for (std::int64_t i = leaf.begin; i < leaf.end; ++i) {
      if ((i - leaf.begin) % length == 0) ++group;
      groups.push_back(group);
    }
  return groups;
}

int Int4At(const Int4Block& block, std::int64_t output, std::int64_t input) {
  const Int4Place place =
      PlaceInInt4Block(static_cast<int>(output), static_cast<int>(input % kInt4BlockInputs));
  return static_cast<int>(block.words[place.lane][place.word] >> place.shift & 15u) - 8;
}

// What the weights become: [outputs, inputs].
std::vector<double> Restored(const Tensor& weight, const std::vector<Range>& leaves,
                             WeightFormat format) {
  const std::int64_t outputs = weight.view().dim(0), inputs = weight.view().dim(1);
  const bool int4 = format == WeightFormat::kInt4, fp8 = format == WeightFormat::kF8;
  const std::vector<std::int64_t> group_of =
      GroupOfInputs(leaves, int4 ? kInt4GroupInputs : kInt8GroupInputs);
  std::vector<std::int64_t> begin_of(static_cast<std::size_t>(inputs));
  for (const Range& leaf : leaves)
    for (std::int64_t i = leaf.begin; i < leaf.end; ++i)
      begin_of[static_cast<std::size_t>(i)] = leaf.begin;
  const QuantisedWeight bytes = Quantise(weight.view(), leaves);
  const Int4Weight nibbles = QuantiseToInt4(weight.view(), leaves);
  const Fp8Weight floats = QuantiseToFp8(weight.view(), leaves);
  const auto* elements = static_cast<const Float8*>(floats.values.view().raw());
  const auto* values = static_cast<const std::int8_t*>(bytes.values.view().raw());
  const auto* blocks = static_cast<const Int4Block*>(nibbles.blocks.view().raw());
  std::vector<double> restored;
  for (std::int64_t output = 0; output < outputs; ++output)
    for (std::int64_t i = 0; i < inputs; ++i) {
      const auto input = static_cast<std::size_t>(i);
      if (int4) {
        const Int4Block& block = blocks[output / 16 * nibbles.groups + group_of[input]];
        BFloat16 scale;
        scale.bits = block.scales[output % 16];
        restored.push_back(Int4At(block, output % 16, i - begin_of[input]) *
                           static_cast<double>(static_cast<float>(scale)));
      } else if (fp8) {
        const auto leaf = std::ranges::find_if(leaves, [i](const Range& r) { return i < r.end; });
        restored.push_back(
            static_cast<double>(static_cast<float>(elements[output * inputs + i])) *
            static_cast<double>(
                floats.scales.view().data<float>()[(leaf - leaves.begin()) * outputs + output]));
      } else {
        const std::int64_t groups = bytes.scales.view().dim(1);
        restored.push_back(
            values[output * inputs + i] *
            static_cast<double>(
                bytes.scales.view().data<float>()[output * groups + group_of[input]]));
      }
    }
  return restored;
}

// What a row's inputs become for weights of fp8: a scale for each group of a leaf.
void RoundToFp8(std::span<float> row, const std::vector<Range>& leaves) {
  for (const Range& group : GroupsOf(leaves, kFp8GroupInputs).groups) {
    const auto inputs =
        row.subspan(static_cast<std::size_t>(group.begin), static_cast<std::size_t>(group.size()));
    float largest = 1e-30f;
    for (const float value : inputs) largest = std::max(largest, std::abs(value));
    for (float& value : inputs)
      value = static_cast<float>(Float8(value * (Float8::kLargest / largest))) *
              (largest / Float8::kLargest);
  }
}

struct QuantisedCase {
  const char* name;
  WeightFormat format;
  BatchInvariance order;
  // As the ranks have them; none: inputs that every rank has whole.
  std::vector<std::vector<Range>> leaves;
};

void PrintTo(const QuantisedCase& one, std::ostream* out) { *out << one.name; }

class QuantisedLinears : public testing::TestWithParam<QuantisedCase> {
 protected:
  Tensor OnDevice(const Tensor& host) const {
    Tensor device = backend_.device->Allocate(host.view().dtype(), host.view().shape());
    backend_.device->Upload(host.view(), device.view());
    return device;
  }

  Backend backend_ = MakeBackend(0, {.batch_invariant = GetParam().order});
};

TEST_P(QuantisedLinears, MultiplyWhatTheirBitsStandFor) {
  constexpr std::int64_t kOutputs = 40, kMost = 300;
  const QuantisedCase& one = GetParam();
  std::mt19937 engine(5);
  LinearSource source{.parts = {}, .bias = RandomMatrix({kOutputs}, engine), .format = one.format};
  std::vector<double> expected;
  for (std::int64_t row = 0; row < kMost; ++row)
    for (std::int64_t output = 0; output < kOutputs; ++output)
      expected.push_back(source.bias.view().data<float>()[output]);
  std::vector<Tensor> x;
  const std::size_t parts = std::max<std::size_t>(1, one.leaves.size());
  for (std::size_t part = 0; part < parts; ++part) {
    const std::int64_t inputs = one.leaves.empty() ? 1104 : one.leaves[part].back().end;
    Tensor weight = RandomMatrix({kOutputs, inputs}, engine);
    const bool whole = one.leaves.empty() ||
                       (one.format == WeightFormat::kInt8 && one.order == BatchInvariance::kOff);
    // Where a product cuts inputs of its own accord, it does so between groups of them.
    std::vector<Range> groups_from = {{0, inputs}};
    // Of fp8 these inputs are two leaves, each with scales of its own.
    if (one.format == WeightFormat::kF8 && whole) groups_from = {{0, 576}, {576, inputs}};
    if (!whole) groups_from = one.leaves[part];
    const std::vector<double> restored = Restored(weight, groups_from, one.format);
    const Tensor rows = RandomMatrix({kMost, inputs}, engine);
    Tensor narrow = Tensor::OnHost(DType::kBF16, {kMost, inputs});
    ConvertElements(DType::kF32, rows.view().raw(), DType::kBF16, narrow.view().raw(),
                    static_cast<std::size_t>(kMost * inputs));
    ConvertElements(DType::kBF16, narrow.view().raw(), DType::kF32, rows.view().raw(),
                    static_cast<std::size_t>(kMost * inputs));
    float* values = rows.view().data<float>();
    for (std::int64_t row = 0; row < kMost; ++row) {
      if (one.format == WeightFormat::kF8)
        RoundToFp8({values + row * inputs, static_cast<std::size_t>(inputs)}, groups_from);
      for (std::int64_t output = 0; output < kOutputs; ++output) {
        double& sum = expected[static_cast<std::size_t>(row * kOutputs + output)];
        for (std::int64_t i = 0; i < inputs; ++i)
          sum += restored[static_cast<std::size_t>(output * inputs + i)] *
                 static_cast<double>(values[row * inputs + i]);
      }
    }
    x.push_back(OnDevice(narrow));
    source.parts.push_back(
        {std::move(weight), one.leaves.empty() ? std::vector<Range>{} : one.leaves[part]});
  }
  const std::unique_ptr<LinearWeight> weight = backend_.ops->MakeLinear(std::move(source));
  const Tensor y = backend_.device->Allocate(DType::kF32, {kMost, kOutputs});
  const Tensor found = Tensor::OnHost(DType::kF32, {kMost, kOutputs});
  for (const std::int64_t count : {1, 3, 9, 64, 256, 300}) {
    backend_.ops->Linear({.x = x.front().view().Rows(0, count),
                          .x_second = parts == 2 ? x.back().view().Rows(0, count) : TensorView(),
                          .weight = weight.get(),
                          .y = y.view().Rows(0, count)});
    backend_.device->Download(y.view().Rows(0, count), found.view().Rows(0, count));
    double largest = 0.0, difference = 0.0;
    for (std::int64_t i = 0; i < count * kOutputs; ++i) {
      const double value = expected[static_cast<std::size_t>(i)];
      largest = std::max(largest, std::abs(value));
      difference = std::max(difference, std::abs(found.view().data<float>()[i] - value));
    }
    // For cuBLAS weights are rounded to bf16.
    const bool rounded =
        one.format == WeightFormat::kInt8 && one.order == BatchInvariance::kOff && count > 256;
    EXPECT_LE(difference, (rounded ? 4e-3 : 1e-5) * largest) << count << " rows";
    if (rounded) {
      EXPECT_GT(difference, 1e-5 * largest) << "not by cuBLAS";
    }
  }
}

// Leaves of heads and columns, of which one is empty, one is no whole group, and one has several.
const std::vector<std::vector<Range>> kRankLeaves = {{{0, 64}, {64, 176}, {176, 176}, {176, 480}},
                                                     {{0, 72}, {72, 400}, {400, 528}, {528, 600}}};
// As on three ranks, say.
const std::vector<std::vector<Range>> kOneLeaf = {{{0, 320}}, {{0, 840}}};

INSTANTIATE_TEST_SUITE_P(
    Formats, QuantisedLinears,
    testing::Values(
        QuantisedCase{"int8", WeightFormat::kInt8, BatchInvariance::kOff, {}},
        QuantisedCase{"int8_leaves", WeightFormat::kInt8, BatchInvariance::kOff, kRankLeaves},
        QuantisedCase{"int8_fixed_leaves", WeightFormat::kInt8, BatchInvariance::kOn, kRankLeaves},
        QuantisedCase{"int4", WeightFormat::kInt4, BatchInvariance::kOff, {}},
        QuantisedCase{"int4_fixed", WeightFormat::kInt4, BatchInvariance::kOn, {}},
        QuantisedCase{"int4_leaves", WeightFormat::kInt4, BatchInvariance::kOff, kRankLeaves},
        QuantisedCase{"int4_one_leaf", WeightFormat::kInt4, BatchInvariance::kOff, kOneLeaf},
        QuantisedCase{"int4_fixed_leaves", WeightFormat::kInt4, BatchInvariance::kOn, kRankLeaves},
        QuantisedCase{"fp8", WeightFormat::kF8, BatchInvariance::kOff, {}},
        QuantisedCase{"fp8_fixed", WeightFormat::kF8, BatchInvariance::kOn, {}},
        QuantisedCase{"fp8_leaves", WeightFormat::kF8, BatchInvariance::kOff, kRankLeaves},
        QuantisedCase{"fp8_one_leaf", WeightFormat::kF8, BatchInvariance::kOff, kOneLeaf},
        QuantisedCase{"fp8_fixed_leaves", WeightFormat::kF8, BatchInvariance::kOn, kRankLeaves}),
    [](const auto& one) { return std::string(one.param.name); });

// A line of 64 bytes of the processor's holds, of 16 outputs, 4 inputs in the low and 4 in the high
// halves of its bytes.
int CpuInt4At(const std::vector<std::byte>& tiles, std::int64_t output, std::int64_t input) {
  const std::int64_t at = input / 8 * cpu::kLineBytes + 4 * output + input % 4;
  const int both = std::to_integer<int>(tiles[static_cast<std::size_t>(at)]);
  return (input % 8 < 4 ? both & 15 : both >> 4) - 8;
}

void ExpectTheProcessors(const Tensor& weight, const cpu::Kernels& kernels) {
  const std::int64_t outputs = weight.view().dim(0), inputs = weight.view().dim(1);
  const std::int64_t groups = (inputs + kInt4GroupInputs - 1) / kInt4GroupInputs;
  const Int4Weight made = QuantiseToInt4(weight.view(), std::vector<Range>{{0, inputs}});
  ASSERT_EQ(made.groups, groups);
  const auto* blocks = static_cast<const Int4Block*>(made.blocks.view().raw());
  for (std::int64_t first = 0; first < outputs; first += 16) {
    std::vector<float> lanes(static_cast<std::size_t>(groups * kInt4GroupInputs * 16), 0.0f);
    const std::int64_t count = std::min<std::int64_t>(16, outputs - first);
    for (std::int64_t n = 0; n < count; ++n)
      for (std::int64_t i = 0; i < inputs; ++i)
        lanes[static_cast<std::size_t>(i * 16 + n)] =
            weight.view().data<float>()[(first + n) * inputs + i];
    std::vector<std::byte> tiles(static_cast<std::size_t>(groups * cpu::kTileBytes / 2));
    std::vector<std::uint16_t> scales(static_cast<std::size_t>(groups * 16));
    kernels.quantize_int4(lanes.data(), groups, tiles.data(), scales.data());
    for (std::int64_t n = 0; n < count; ++n)
      for (std::int64_t i = 0; i < inputs; ++i) {
        const Int4Block& block = blocks[first / 16 * groups + i / kInt4GroupInputs];
        ASSERT_EQ(block.scales[n], scales[static_cast<std::size_t>(i / kInt4GroupInputs * 16 + n)])
            << "output " << first + n << ", input " << i;
        ASSERT_EQ(Int4At(block, n, i), CpuInt4At(tiles, n, i))
            << "output " << first + n << ", input " << i;
      }
  }
}

// Outputs that are no sixteens, inputs that are no whole group; outliers, zeros and numbers of one
// sign.
TEST(Int4OfTheDevice, IsThatOfTheProcessor) {
  std::mt19937 engine(11);
  Tensor weight = RandomMatrix({35, 200}, engine);
  float* values = weight.view().data<float>();
  for (std::int64_t i = 0; i < 200; ++i) {
    values[i] = 0.0f;
    values[200 + i] = std::abs(values[200 + i]);
    values[400 + i] = -std::abs(values[400 + i]);
    values[600 + i] *= i % 50 == 0 ? 100.0f : 0.001f;
    values[800 + i] = static_cast<float>(i % 17 - 8);  // ties, and sums that are equal
  }
  ExpectTheProcessors(weight, cpu::portable::kKernels);
  ExpectTheProcessors(weight, cpu::SelectKernels());
}

}  // namespace
}  // namespace lockstep::cuda
