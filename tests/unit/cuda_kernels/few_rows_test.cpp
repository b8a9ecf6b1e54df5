// Products of few rows, of weights of 16 and 8 bits, in one part and two.
#include "core/error.h"
#include "int8_weight.h"

namespace lockstep::cuda {
namespace {

// The inputs of the parts, and what their weights are.
struct Shape {
  std::int64_t outputs;
  std::int64_t inputs[2];
  std::int64_t group_inputs;  // 0: weights of the type of x
};

// A product's weights and inputs on host and device.
class Product {
 public:
  Product(const Shape& shape, std::int64_t rows, DType type, Random& random)
      : shape_(shape), rows_(rows), type_(type) {
    for (const std::int64_t inputs : shape.inputs) AddPart(inputs, random);
    bias_ = random.Values(shape.outputs);
    device_bias_ = std::make_unique<Device<float>>(bias_);
  }

  FewRowsArgs Args(std::int64_t rows) const {
    FewRowsArgs args{.x_type = type_,
                     .group_inputs = shape_.group_inputs,
                     .bias = device_bias_->data(),
                     .rows = rows,
                     .outputs = shape_.outputs};
    for (std::size_t i = 0; i < 2; ++i) {
      const Part& part = parts_[i];
      args.parts[i] = {part.device_x->data(), part.device_weight->data(), nullptr, part.inputs};
      if (shape_.group_inputs == 0 || part.inputs == 0) continue;
      args.parts[i].weight = part.int8->Get().values;
      args.parts[i].scales = part.int8->Get().scales;
    }
    return args;
  }

  // [rows, outputs], in double until the end.
  Floats Expected() const {
    Floats y;
    for (std::int64_t row = 0; row < rows_; ++row)
      for (std::int64_t output = 0; output < shape_.outputs; ++output) {
        double sum = bias_[static_cast<std::size_t>(output)];
        for (const Part& part : parts_)
          for (std::int64_t input = 0; input < part.inputs; ++input)
            sum += static_cast<double>(part.At(output, input)) *
                   part.x[static_cast<std::size_t>(row * part.inputs + input)];
        y.push_back(static_cast<float>(sum));
      }
    return y;
  }

 private:
  struct Part {
    std::int64_t inputs = 0;
    Floats x, weight;
    std::unique_ptr<TestInt8Weight> int8;
    std::unique_ptr<Device<std::uint16_t>> device_x, device_weight;

    float At(std::int64_t output, std::int64_t input) const {
      return int8 != nullptr ? int8->At(output, input)
                             : weight[static_cast<std::size_t>(output * inputs + input)];
    }
  };

  void AddPart(std::int64_t inputs, Random& random) {
    Part& part = parts_.emplace_back();
    part.inputs = inputs;
    part.x = Rounded(type_, random.Values(rows_ * inputs));
    part.weight = Rounded(type_, random.Values(shape_.outputs * inputs, 0.1f));
    if (shape_.group_inputs > 0 && inputs > 0)
      part.int8 =
          std::make_unique<TestInt8Weight>(random, shape_.outputs, inputs, shape_.group_inputs);
    part.device_x = std::make_unique<Device<std::uint16_t>>(Pack(type_, part.x));
    part.device_weight = std::make_unique<Device<std::uint16_t>>(Pack(type_, part.weight));
  }

  Shape shape_;
  std::int64_t rows_;
  DType type_;
  std::vector<Part> parts_;
  Floats bias_;
  std::unique_ptr<Device<float>> device_bias_;
};

class FewRowsKernels : public KernelTest {
 protected:
  // More inputs than the threads of a block take at a time; groups of 256 and a scale per output;
  // inputs and outputs that are no whole vectors or blocks.
  static constexpr Shape kShapes[] = {{7, {1100, 0}, 0}, {33, {64, 264}, 0},
                                      {5, {77, 50}, 0},  {9, {2080, 528}, 256},
                                      {6, {64, 0}, 64},  {3, {77, 50}, 1000}};
};

TEST_P(FewRowsKernels, MatchPlainLoops) {
  for (const Shape& shape : kShapes)
    for (const std::int64_t rows : {1, 3, 8, 11}) {
      SCOPED_TRACE(testing::Message() << shape.outputs << " outputs, " << rows << " rows");
      const Product product(shape, rows, type(), random_);
      const Device<float> y(static_cast<std::size_t>(rows * shape.outputs));
      const Device<std::uint16_t> gelu(static_cast<std::size_t>(rows * shape.outputs));
      FewRowsArgs args = product.Args(rows);
      args.y = y.data();
      FewRows(args, stream_);
      args.gelu = Gelu::kTanh;
      args.y = gelu.data();
      args.y_type = type();
      FewRows(args, stream_);
      const Floats expected = product.Expected();
      Floats expected_gelu = expected;
      for (float& v : expected_gelu)
        v = 0.5f * v * (1.0f + std::tanh(0.79788456f * (v + 0.044715f * v * v * v)));
      ExpectNear(y.Values(), expected, 1e-5f);
      ExpectNear(Unpack(type(), gelu.Values()), expected_gelu, Epsilon(type()) / 2 + 1e-5f);
    }
}

TEST_P(FewRowsKernels, GiveARowTheSameBitsInEveryBatchOfSeveral) {
  for (const Shape& shape : {Shape{9, {544, 1032}, 0}, Shape{9, {544, 1040}, 256}}) {
    const Product product(shape, 11, type(), random_);
    const auto run = [&](std::int64_t rows) {
      const Device<float> y(static_cast<std::size_t>(rows * shape.outputs));
      FewRowsArgs args = product.Args(rows);
      args.y = y.data();
      FewRows(args, stream_);
      return y.Values();
    };
    const Floats all = run(11);
    for (const std::int64_t rows : {2, 5, 8}) {
      const Floats some = run(rows);
      EXPECT_EQ(some, Floats(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(some.size())));
    }
  }
}

TEST_P(FewRowsKernels, DoNothingForNoRows) {
  FewRows({.parts = {{.inputs = 64}}, .x_type = type(), .outputs = 4}, stream_);
}

TEST_P(FewRowsKernels, RefuseWhatTheyHaveNoKernelFor) {
  const float scale = 1.0f;
  const FewRowsPart wide{.inputs = 64}, narrow{.scales = &scale, .inputs = 64};
  const DType other = type() == DType::kBF16 ? DType::kF16 : DType::kBF16;
  const auto refused = [&](const FewRowsArgs& args) {
    EXPECT_THROW(FewRows(args, stream_), Error);
  };
  refused({.parts = {narrow}, .x_type = type(), .group_inputs = 20, .rows = 1, .outputs = 4});
  refused({.parts = {wide, narrow}, .x_type = type(), .rows = 1, .outputs = 4});
  refused({.parts = {wide}, .x_type = type(), .y_type = other, .rows = 1, .outputs = 4});
}

INSTANTIATE_TEST_SUITE_P(Kernels, FewRowsKernels, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
