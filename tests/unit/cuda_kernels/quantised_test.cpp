// Weights of 8 bits: what they stand for.
#include "core/error.h"
#include "int8_weight.h"

namespace lockstep::cuda {
namespace {

class Int8Kernels : public KernelTest {};

// Groups of 256, a scale per output, and inputs that are no multiple of 16.
TEST_P(Int8Kernels, DequantiseGivesEachValueTimesItsScale) {
  for (const auto& [outputs, inputs, group] :
       {std::tuple{7, 528, 256}, {33, 64, 64}, {5, 77, 1000}, {2, 50, 16}}) {
    const TestInt8Weight weight(random_, outputs, inputs, group);
    const Device<std::uint16_t> y(weight.values.size());
    Dequantise({.weight = weight.Get(), .y = y.data(), .y_type = type()}, stream_);
    Floats expected;
    for (std::int64_t output = 0; output < weight.outputs; ++output)
      for (std::int64_t input = 0; input < weight.inputs; ++input)
        expected.push_back(weight.At(output, input));
    EXPECT_EQ(y.Values(), Pack(type(), expected));
  }
}

TEST_P(Int8Kernels, RefuseGroupsThatSplitAChunk) {
  const Int8Weight odd{.outputs = 4, .inputs = 64, .group_inputs = 20};
  EXPECT_THROW(Dequantise({.weight = odd, .y_type = type()}, stream_), Error);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Int8Kernels, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
