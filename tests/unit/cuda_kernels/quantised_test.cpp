// Weights of 8 bits: what they stand for, and products of few rows.
#include "core/error.h"
#include "kernel_fixture.h"

namespace lockstep::cuda {
namespace {

// A weight on host and device.
struct Weight {
  Weight(Random& random, std::int64_t all_outputs, std::int64_t all_inputs, std::int64_t group)
      : outputs(all_outputs), inputs(all_inputs), group_inputs(group) {
    for (std::int64_t i = 0; i < outputs * inputs; ++i)
      values.push_back(static_cast<std::int8_t>(random.Int(-128, 127)));
    scales = random.Values(outputs * ((inputs + group - 1) / group), 0.01f);
    device_values = std::make_unique<Device<std::int8_t>>(values);
    device_scales = std::make_unique<Device<float>>(scales);
  }
  float At(std::int64_t output, std::int64_t input) const {
    const std::int64_t groups = (inputs + group_inputs - 1) / group_inputs;
    return static_cast<float>(values[static_cast<std::size_t>(output * inputs + input)]) *
           scales[static_cast<std::size_t>(output * groups + input / group_inputs)];
  }
  Int8Weight Get() const {
    return {device_values->data(), device_scales->data(), outputs, inputs, group_inputs};
  }

  std::int64_t outputs, inputs, group_inputs;
  std::vector<std::int8_t> values;
  Floats scales;
  std::unique_ptr<Device<std::int8_t>> device_values;
  std::unique_ptr<Device<float>> device_scales;
};

class Int8Kernels : public KernelTest {
 protected:
  // Groups of 256, a scale per output, and inputs that are no multiple of 16.
  std::vector<Weight> Weights() {
    std::vector<Weight> weights;
    weights.emplace_back(random_, 7, 528, 256);
    weights.emplace_back(random_, 33, 64, 64);
    weights.emplace_back(random_, 5, 77, 1000);
    weights.emplace_back(random_, 2, 50, 16);
    return weights;
  }
};

TEST_P(Int8Kernels, DequantiseGivesEachValueTimesItsScale) {
  for (const Weight& weight : Weights()) {
    const Device<std::uint16_t> y(weight.values.size());
    Dequantise({.weight = weight.Get(), .y = y.data(), .y_type = type()}, stream_);
    Floats expected;
    for (std::int64_t output = 0; output < weight.outputs; ++output)
      for (std::int64_t input = 0; input < weight.inputs; ++input)
        expected.push_back(weight.At(output, input));
    EXPECT_EQ(y.Values(), Pack(type(), expected));
  }
}

Floats Product(const Weight& weight, const Floats& x, std::int64_t rows, const Floats& bias) {
  Floats y;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t output = 0; output < weight.outputs; ++output) {
      double sum = bias.empty() ? 0.0 : bias[static_cast<std::size_t>(output)];
      for (std::int64_t input = 0; input < weight.inputs; ++input)
        sum += static_cast<double>(weight.At(output, input)) *
               x[static_cast<std::size_t>(row * weight.inputs + input)];
      y.push_back(static_cast<float>(sum));
    }
  return y;
}

TEST_P(Int8Kernels, ProductsOfFewRowsMatchPlainLoops) {
  for (const Weight& weight : Weights())
    for (const std::int64_t rows : {0, 1, 3, 8, 11}) {
      const Floats x = Rounded(type(), random_.Values(rows * weight.inputs));
      const Floats bias = random_.Values(weight.outputs);
      const Device<std::uint16_t> device_x(Pack(type(), x));
      const Device<float> device_bias(bias);
      const Floats before = random_.Values(rows * weight.outputs);
      const Device<float> y(before);
      const Device<std::uint16_t> gelu(before.size());
      Int8ProductArgs args{.x = device_x.data(),
                           .x_type = type(),
                           .weight = weight.Get(),
                           .bias = device_bias.data(),
                           .store = StoreMode::kAdd,
                           .y = y.data(),
                           .rows = rows};
      Int8Product(args, stream_);
      args.store = StoreMode::kReplace;
      args.gelu = Gelu::kTanh;
      args.y = gelu.data();
      args.y_type = type();
      Int8Product(args, stream_);
      Floats expected = Product(weight, x, rows, bias);
      Floats expected_gelu = expected;
      for (float& v : expected_gelu)
        v = 0.5f * v * (1.0f + std::tanh(0.79788456f * (v + 0.044715f * v * v * v)));
      for (std::size_t i = 0; i < before.size(); ++i) expected[i] += before[i];
      ExpectNear(y.Values(), expected, 1e-5f);
      ExpectNear(Unpack(type(), gelu.Values()), expected_gelu, Epsilon(type()) / 2 + 1e-5f);
    }
}

TEST_P(Int8Kernels, ARowHasTheSameBitsInEveryBatch) {
  const Weight weight(random_, 9, 544, 256);
  const Floats x = Rounded(type(), random_.Values(8 * weight.inputs));
  const Device<std::uint16_t> device_x(Pack(type(), x));
  const auto run = [&](std::int64_t rows) {
    const Device<float> y(static_cast<std::size_t>(rows * weight.outputs));
    Int8Product({.x = device_x.data(),
                 .x_type = type(),
                 .weight = weight.Get(),
                 .y = y.data(),
                 .rows = rows},
                stream_);
    return y.Values();
  };
  const Floats all = run(8);
  for (const std::int64_t rows : {1, 2, 5}) {
    const Floats some = run(rows);
    EXPECT_EQ(some, Floats(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(some.size())));
  }
}

TEST_P(Int8Kernels, RefuseGroupsAndTypesTheyHaveNoKernelFor) {
  const Int8Weight odd{.outputs = 4, .inputs = 64, .group_inputs = 20};
  EXPECT_THROW(Dequantise({.weight = odd, .y_type = type()}, stream_), Error);
  EXPECT_THROW(Int8Product({.x_type = type(), .weight = odd, .rows = 1}, stream_), Error);
  const DType other = type() == DType::kBF16 ? DType::kF16 : DType::kBF16;
  EXPECT_THROW(Int8Product({.x_type = type(), .y_type = other, .rows = 1}, stream_), Error);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Int8Kernels, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
