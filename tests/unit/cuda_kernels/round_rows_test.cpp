// Rows in fp8: against their definition, bit for bit.
#include "core/numbers/float8.h"
#include "kernel_fixture.h"
#include "layers/kernels/cuda/products/leaf_product.h"

namespace lockstep::cuda {
namespace {

struct RowsCase {
  std::vector<std::int32_t> leaves;  // how many inputs each has
  std::int32_t more_inputs = 0;      // behind the leaves, which belong to none
};

LeafPart PartOf(const RowsCase& one) {
  LeafPart part;
  for (std::size_t leaf = 0; leaf < one.leaves.size(); ++leaf) {
    part.first_group[leaf] = part.groups;
    part.leaves[leaf] = {part.inputs, part.inputs + one.leaves[leaf]};
    part.inputs += one.leaves[leaf];
    part.groups += (one.leaves[leaf] + kFp8RowInputs - 1) / kFp8RowInputs;
  }
  part.inputs += one.more_inputs;
  return part;
}

struct RoundedRows {
  std::vector<unsigned char> elements;
  Floats scales;
};

constexpr unsigned char kUntouched = 0x5a;

RoundedRows Expected(const LeafPart& part, const Floats& x) {
  RoundedRows rounded{std::vector<unsigned char>(x.size(), kUntouched), {}};
  for (std::size_t row = 0; row < x.size(); row += static_cast<std::size_t>(part.inputs))
    for (const InputRange& leaf : part.leaves)
      for (std::int32_t begin = leaf.begin; begin < leaf.end; begin += kFp8RowInputs) {
        const std::size_t first = row + static_cast<std::size_t>(begin);
        const auto count = static_cast<std::size_t>(std::min(kFp8RowInputs, leaf.end - begin));
        float largest = 1e-30f;
        for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(x[first + i]));
        rounded.scales.push_back(largest / 448.0f);
        for (std::size_t i = 0; i < count; ++i)
          rounded.elements[first + i] = Float8(x[first + i] * (448.0f / largest)).bits;
      }
  return rounded;
}

class RoundedToFp8 : public KernelTest {};

// Leaves that are empty, of several groups, of no whole group, of no whole vectors; numbers that
// are all zeros, and one that is far larger than the others.
TEST_P(RoundedToFp8, RowsHaveAScaleForEachGroup) {
  constexpr std::int64_t kRows = 5;
  for (const RowsCase& one :
       {RowsCase{{528}}, {{64, 0, 320, 128, 16, 48, 0}, 24}, {{13, 300, 7}}}) {
    const LeafPart part = PartOf(one);
    Floats x = Rounded(type(), random_.Values(kRows * part.inputs));
    std::fill_n(x.begin(), part.inputs, 0.0f);
    x[static_cast<std::size_t>(part.inputs) + 5] = 1000.0f;
    const Device<std::uint16_t> device_x(Pack(type(), x));
    const Device<unsigned char> y(std::vector<unsigned char>(x.size(), kUntouched));
    const Device<float> scales(static_cast<std::size_t>(kRows * part.groups));
    RoundRows({.x = device_x.data(),
               .x_type = type(),
               .part = part,
               .leaf_count = static_cast<std::int32_t>(one.leaves.size()),
               .y = y.data(),
               .scales = scales.data(),
               .rows = kRows},
              stream_);
    const RoundedRows expected = Expected(part, x);
    EXPECT_EQ(y.Values(), expected.elements);
    EXPECT_EQ(scales.Values(), expected.scales);
  }
}

TEST_P(RoundedToFp8, NoRowsAreNothing) {
  RoundRows({.x_type = type(), .part = PartOf({{64}})}, stream_);
}

INSTANTIATE_TEST_SUITE_P(Kernels, RoundedToFp8, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
