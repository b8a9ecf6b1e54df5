// Products by leaves: against plain loops, and the bits that they promise.
#include "layers/kernels/cuda/products/leaf_product.h"

#include "core/error.h"
#include "core/numbers/float8.h"
#include "kernel_fixture.h"

namespace lockstep::cuda {
namespace {

// The leaves' inputs of each part, one behind the other; none: no second part.
struct LeafShape {
  std::int64_t outputs;
  std::vector<std::int32_t> leaves[2];
  LeafWeights weights = LeafWeights::kSixteenBits;
  std::int32_t more_inputs = 0;  // behind the leaves, which belong to none

  std::int32_t Inputs(std::size_t part) const {
    std::int32_t all = 0;
    for (const std::int32_t inputs : leaves[part]) all += inputs;
    return all == 0 ? 0 : all + more_inputs;
  }
  std::int32_t GroupInputs() const {
    return weights == LeafWeights::kInt4  ? kInt4BlockInputs
           : weights == LeafWeights::kFp8 ? kFp8RowInputs
                                          : kLeafGroupInputs;
  }
};

// Those that the device multiplies.
std::vector<LeafWeights> Multiplied(std::vector<LeafWeights> all) {
  if (!MultipliesFp8()) std::erase(all, LeafWeights::kFp8);
  return all;
}

std::vector<LeafWeights> AllWeights() {
  return Multiplied(
      {LeafWeights::kSixteenBits, LeafWeights::kInt8, LeafWeights::kInt4, LeafWeights::kFp8});
}

// Blocks of which nothing has been set: what belongs to no weight must not matter.
std::vector<Int4Block> UnsetBlocks(std::int64_t outputs, std::int64_t groups) {
  Int4Block block;
  for (auto& lane : block.words)
    for (std::uint32_t& word : lane) word = 0x5a5a5a5au;
  for (std::uint16_t& scale : block.scales) scale = 0x7fc0;  // NaN
  return std::vector<Int4Block>(static_cast<std::size_t>((outputs + 15) / 16 * groups), block);
}

void SetInt4(Int4Block& block, int output, int input, int value) {
  const Int4Place place = PlaceInInt4Block(output, input);
  std::uint32_t& word = block.words[place.lane][place.word];
  word &= ~(15u << place.shift);
  word |= static_cast<std::uint32_t>(value + 8) << place.shift;
}

// A product's weights and inputs on host and device.
class LeafProductCase {
 public:
  LeafProductCase(LeafShape shape, std::int64_t rows, DType type, Random random)
      : shape_(std::move(shape)),
        rows_(rows),
        type_(type),
        bias_(random.Values(shape_.outputs)),
        device_bias_(bias_) {
    for (std::size_t part = 0; part < 2; ++part) AddPart(part, random);
  }

  LeafProductArgs Args(std::int64_t rows) const {
    LeafProductArgs args{.leaf_count = static_cast<std::int32_t>(shape_.leaves[0].size()),
                         .x_type = type_,
                         .weights = shape_.weights,
                         .bias = device_bias_.data(),
                         .rows = rows,
                         .outputs = shape_.outputs,
                         .partial = partial_.data(),
                         .arrived = arrived_.data()};
    for (std::size_t i = 0; i < 2; ++i) args.parts[i] = parts_[i].on_device;
    return args;
  }

  // Of the leaves [first, first + count), as a rank has them: [rows, outputs].
  Floats Run(std::int64_t rows, std::int32_t splits, cudaStream_t stream, std::int32_t first = 0,
             std::int32_t count = 0) const {
    const Device<float> y(static_cast<std::size_t>(rows * shape_.outputs));
    LeafProductArgs args = Args(rows);
    args.bias = count == 0 ? args.bias : nullptr;
    for (LeafPart& part : args.parts)
      for (std::int32_t leaf = 0; leaf < count; ++leaf) {
        part.leaves[leaf] = part.leaves[leaf + first];
        part.first_group[leaf] = part.first_group[leaf + first];
      }
    if (shape_.weights == LeafWeights::kFp8)
      for (LeafPart& part : args.parts)
        if (part.inputs > 0) part.scales += first * shape_.outputs;
    if (count > 0) args.leaf_count = count;
    args.splits = splits;
    args.y = y.data();
    LeafProduct(args, stream);
    return y.Values();
  }

  // [rows, outputs], in double until the end.
  Floats Expected() const {
    Floats y;
    for (std::int64_t row = 0; row < rows_; ++row)
      for (std::int64_t output = 0; output < shape_.outputs; ++output) {
        double sum = bias_[static_cast<std::size_t>(output)];
        for (const Part& part : parts_)
          for (std::int32_t leaf = 0; leaf < std::ssize(shape_.leaves[0]); ++leaf)
            for (std::int32_t i = part.on_device.leaves[leaf].begin;
                 i < part.on_device.leaves[leaf].end; ++i)
              sum += part.weight[static_cast<std::size_t>(output * part.on_device.inputs + i)] *
                     static_cast<double>(
                         part.x[static_cast<std::size_t>(row * part.on_device.inputs + i)]);
        y.push_back(static_cast<float>(sum));
      }
    return y;
  }

 private:
  struct Part {
    LeafPart on_device;
    Floats x;
    std::vector<double> weight;  // scaled
    std::unique_ptr<Device<std::uint16_t>> device_x, device_weight;
    std::unique_ptr<Device<std::int8_t>> device_values;
    std::unique_ptr<Device<float>> device_scales, device_x_scales;
    std::unique_ptr<Device<Float8>> device_fp8, device_x_fp8;
    std::unique_ptr<Device<Int4Block>> device_blocks;
  };

  void AddPart(std::size_t index, Random& random) {
    Part& part = parts_[index];
    LeafPart& to = part.on_device;
    to.inputs = shape_.Inputs(index);
    if (to.inputs == 0) return;
    std::int32_t at = 0;
    for (std::size_t leaf = 0; leaf < shape_.leaves[index].size(); ++leaf) {
      to.leaves[leaf] = {at, at + shape_.leaves[index][leaf]};
      to.first_group[leaf] = to.groups;
      to.groups += (shape_.leaves[index][leaf] + shape_.GroupInputs() - 1) / shape_.GroupInputs();
      at = to.leaves[leaf].end;
    }
    // The same numbers whatever lies behind the leaves.
    part.x = Spread(Rounded(type_, random.Values(rows_ * at)), at, to.inputs);
    part.device_x = std::make_unique<Device<std::uint16_t>>(Pack(type_, part.x));
    to.x = part.device_x->data();
    if (shape_.weights == LeafWeights::kFp8) return AddFp8(part, random);
    if (shape_.weights != LeafWeights::kSixteenBits) return AddQuantised(part, at, random);
    const Floats weight =
        Spread(Rounded(type_, random.Values(shape_.outputs * at, 0.1f)), at, to.inputs);
    part.weight.assign(weight.begin(), weight.end());
    part.device_weight = std::make_unique<Device<std::uint16_t>>(Pack(type_, weight));
    to.weight = part.device_weight->data();
  }

  void AddQuantised(Part& part, std::int32_t used, Random& random) {
    LeafPart& to = part.on_device;
    const bool int4 = shape_.weights == LeafWeights::kInt4;
    std::vector<std::int8_t> values(static_cast<std::size_t>(shape_.outputs * to.inputs));
    std::vector<Int4Block> blocks = UnsetBlocks(shape_.outputs, to.groups);
    const Floats scales = Rounded(int4 ? DType::kBF16 : DType::kF32,
                                  random.Values(shape_.outputs * to.groups, 0.01f));
    const Bits scale_bits = Pack(DType::kBF16, scales);
    part.weight.resize(values.size());
    for (std::int64_t output = 0; output < shape_.outputs; ++output)
      for (std::int32_t leaf = 0, i = 0; i < used; ++i) {
        while (i >= to.leaves[leaf].end) ++leaf;
        const std::int32_t from_begin = i - to.leaves[leaf].begin;
        const std::int64_t group = to.first_group[leaf] + from_begin / shape_.GroupInputs();
        const auto place = static_cast<std::size_t>(output * to.inputs + i);
        const auto scale = static_cast<std::size_t>(output * to.groups + group);
        values[place] = static_cast<std::int8_t>(int4 ? random.Int(-8, 7) : random.Int(-128, 127));
        part.weight[place] = static_cast<double>(values[place]) * scales[scale];
        if (!int4) continue;
        Int4Block& block = blocks[static_cast<std::size_t>(output / 16 * to.groups + group)];
        SetInt4(block, static_cast<int>(output % 16), from_begin % kInt4BlockInputs, values[place]);
        block.scales[output % 16] = scale_bits[scale];
      }
    if (int4) {
      part.device_blocks = std::make_unique<Device<Int4Block>>(blocks);
      to.weight = part.device_blocks->data();
      return;
    }
    part.device_values = std::make_unique<Device<std::int8_t>>(values);
    part.device_scales = std::make_unique<Device<float>>(scales);
    to.weight = part.device_values->data();
    to.scales = part.device_scales->data();
  }

  // A matrix [lines, inputs] of fp8 and what it stands for, given the scale of each line, group and
  // leaf. What belongs to no leaf is NaN.
  template <typename ScaleOf>
  static std::vector<Float8> RandomFp8(const LeafPart& to, std::int64_t lines, Random& random,
                                       const ScaleOf& scale_of, std::vector<double>& stands_for) {
    std::vector<Float8> elements(static_cast<std::size_t>(lines * to.inputs),
                                 Float8(std::nanf("")));
    stands_for.assign(elements.size(), 0.0);
    for (std::int64_t line = 0; line < lines; ++line)
      for (std::size_t leaf = 0; leaf < std::size(to.leaves); ++leaf)
        for (std::int32_t i = to.leaves[leaf].begin; i < to.leaves[leaf].end; ++i) {
          const auto place = static_cast<std::size_t>(line * to.inputs + i);
          const std::int64_t group =
              to.first_group[leaf] + (i - to.leaves[leaf].begin) / kFp8RowInputs;
          elements[place] = Float8(random.Values(1, Float8::kLargest).front());
          stands_for[place] = static_cast<double>(static_cast<float>(elements[place])) *
                              scale_of(line, group, static_cast<std::int64_t>(leaf));
        }
    return elements;
  }

  void AddFp8(Part& part, Random& random) {
    LeafPart& to = part.on_device;
    const std::int64_t leaves = std::ssize(shape_.leaves[0]);
    const Floats scales = random.Values(leaves * shape_.outputs, 1e-4f);
    const Floats x_scales = random.Values(rows_ * to.groups, 1e-2f);
    std::vector<double> x;
    const auto rows = RandomFp8(
        to, rows_, random,
        [&](std::int64_t row, std::int64_t group, std::int64_t) {
          return x_scales[static_cast<std::size_t>(row * to.groups + group)];
        },
        x);
    part.x.assign(x.begin(), x.end());
    const auto weight = RandomFp8(
        to, shape_.outputs, random,
        [&](std::int64_t output, std::int64_t, std::int64_t leaf) {
          return scales[static_cast<std::size_t>(leaf * shape_.outputs + output)];
        },
        part.weight);
    part.device_x_fp8 = std::make_unique<Device<Float8>>(rows);
    part.device_x_scales = std::make_unique<Device<float>>(x_scales);
    part.device_fp8 = std::make_unique<Device<Float8>>(weight);
    part.device_scales = std::make_unique<Device<float>>(scales);
    to.x = part.device_x_fp8->data();
    to.x_scales = part.device_x_scales->data();
    to.weight = part.device_fp8->data();
    to.scales = part.device_scales->data();
  }

  // Lines of `used` numbers in lines of `width`, with some that nobody may read in between.
  static Floats Spread(const Floats& lines, std::int32_t used, std::int32_t width) {
    Floats spread;
    for (std::size_t at = 0; at < lines.size(); at += static_cast<std::size_t>(used)) {
      const auto from = lines.begin() + static_cast<std::ptrdiff_t>(at);
      spread.insert(spread.end(), from, from + used);
      spread.insert(spread.end(), static_cast<std::size_t>(width - used), 1000.0f);
    }
    return spread;
  }

  LeafShape shape_;
  std::int64_t rows_;
  DType type_;
  Floats bias_;
  Device<float> device_bias_;
  Part parts_[2];
  Device<float> partial_{static_cast<std::size_t>(kLeafPartialElements)};
  Device<unsigned> arrived_{std::vector<unsigned>(kLeafArrivals, 0)};
};

class LeafProducts : public KernelTest {
 protected:
  static Floats FirstRows(const Floats& all, std::size_t count) {
    return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)};
  }
};

// Outputs, rows and inputs that are no whole tiles, stages or vectors; leaves that are empty, or
// in one part alone; more groups of a scale than one in a leaf.
TEST_P(LeafProducts, MatchPlainLoops) {
  const LeafShape shapes[] = {{70, {{300}, {}}},
                              {19, {{40, 24, 0, 88}, {72, 16, 8, 0}}},
                              {5, {{13, 20}, {33, 7}}},
                              {66, {{272, 528}, {64, 16}}, LeafWeights::kInt8},
                              {3, {{13, 280}, {33, 7}}, LeafWeights::kInt8},
                              {70, {{136, 0, 64, 328}, {72, 16, 8, 0}}, LeafWeights::kInt4},
                              {3, {{13, 140}, {33, 7}}, LeafWeights::kInt4},
                              {66, {{272, 528}, {64, 16}}, LeafWeights::kFp8},
                              {70, {{136, 0, 64, 328}, {72, 16, 8, 0}}, LeafWeights::kFp8},
                              {3, {{13, 140}, {33, 7}}, LeafWeights::kFp8}};
  for (const LeafShape& shape : shapes)
    for (const std::int64_t rows : {1, 11, 40, 67}) {
      SCOPED_TRACE(testing::Message() << shape.outputs << " outputs, " << rows << " rows");
      if (Multiplied({shape.weights}).empty()) continue;
      const LeafProductCase product(shape, rows, type(), random_);
      const Floats expected = product.Expected();
      // Tensor cores of some GPUs are known to add products of fp8 in few bits.
      const float rounding = shape.weights == LeafWeights::kFp8 ? 1e-3f : 1e-5f;
      ExpectNear(product.Run(rows, 0, stream_), expected, rounding);
      const Device<std::uint16_t> gelu(static_cast<std::size_t>(rows * shape.outputs));
      LeafProductArgs args = product.Args(rows);
      args.gelu = Gelu::kTanh;
      args.y = gelu.data();
      args.y_type = type();
      LeafProduct(args, stream_);
      Floats expected_gelu = expected;
      for (float& v : expected_gelu)
        v = 0.5f * v * (1.0f + std::tanh(0.79788456f * (v + 0.044715f * v * v * v)));
      ExpectNear(Unpack(type(), gelu.Values()), expected_gelu, Epsilon(type()) / 2 + rounding);
    }
}

TEST_P(LeafProducts, GiveARowTheSameBitsInEveryBatch) {
  for (const LeafWeights weights : AllWeights()) {
    const LeafShape shape{70, {{64, 112}, {272, 80}}, weights};
    const LeafProductCase product(shape, 130, type(), random_);
    const Floats all = product.Run(130, 0, stream_);
    for (const std::int64_t rows : {1, 2, 8, 9, 32, 33, 64, 65}) {
      const Floats some = product.Run(rows, 0, stream_);
      EXPECT_EQ(some, FirstRows(all, some.size())) << rows << " rows";
    }
  }
}

TEST_P(LeafProducts, GiveTheSameBitsHoweverManyBlocksShareTheLeaves) {
  LeafShape shape{70, {{40, 24, 0, 88, 32, 64, 96, 8}, {72, 16, 8, 0, 64, 32, 40, 128}}};
  for (const LeafWeights weights :
       Multiplied({LeafWeights::kSixteenBits, LeafWeights::kInt4, LeafWeights::kFp8}))
    for (const std::int64_t rows : {3, 40, 66}) {
      shape.weights = weights;
      const LeafProductCase product(shape, rows, type(), random_);
      const Floats alone = product.Run(rows, 1, stream_);
      for (const std::int32_t splits : {0, 2, 8})
        EXPECT_EQ(product.Run(rows, splits, stream_), alone) << splits << " splits";
    }
}

// A rank of 2, 4 or 8 has a branch of the tree.
TEST_P(LeafProducts, OfRanksAddUpToThoseOfOne) {
  for (const LeafWeights weights : AllWeights()) {
    const LeafShape shape{
        20, {{32, 16, 0, 80, 32, 64, 96, 16}, {272, 16, 48, 0, 64, 32, 48, 128}}, weights};
    const LeafProductCase product(shape, 9, type(), random_);
    const Floats whole = product.Run(9, 0, stream_, 0, 8);
    for (const std::int32_t count : {4, 2, 1}) {
      std::vector<Floats> sums;
      for (std::int32_t first = 0; first < 8; first += count)
        sums.push_back(product.Run(9, 0, stream_, first, count));
      for (; sums.size() > 1; sums.resize(sums.size() / 2))
        for (std::size_t pair = 0; pair < sums.size() / 2; ++pair)
          for (std::size_t i = 0; i < whole.size(); ++i)
            sums[pair][i] = sums[2 * pair][i] + sums[2 * pair + 1][i];
      EXPECT_EQ(sums.front(), whole) << count << " leaves a rank";
    }
  }
}

// Where leaves lie in a rank's matrix decides how they are read: by vectors, or by elements.
TEST_P(LeafProducts, GiveTheSameBitsWhereverTheLeavesLie) {
  for (const LeafWeights weights : AllWeights()) {
    LeafShape shape{70, {{64, 112}, {272, 80}}, weights};
    const Floats vectors = LeafProductCase(shape, 20, type(), random_).Run(20, 0, stream_);
    shape.more_inputs = 3;
    EXPECT_EQ(LeafProductCase(shape, 20, type(), random_).Run(20, 0, stream_), vectors);
  }
}

TEST_P(LeafProducts, DoNothingForNoRows) {
  LeafProduct({.parts = {{.inputs = 64, .leaves = {{0, 64}}}}, .x_type = type(), .outputs = 4},
              stream_);
}

TEST_P(LeafProducts, RefuseWhatTheyHaveNoKernelFor) {
  const float scale = 1.0f;
  const LeafPart wide{.inputs = 64, .leaves = {{0, 64}}};
  const LeafPart narrow{.scales = &scale, .inputs = 64, .leaves = {{0, 64}}};
  const DType other = type() == DType::kBF16 ? DType::kF16 : DType::kBF16;
  const auto refused = [&](const LeafProductArgs& args) {
    EXPECT_THROW(LeafProduct(args, stream_), Error);
  };
  refused({.parts = {wide}, .leaf_count = 3, .x_type = type(), .rows = 1, .outputs = 4});
  refused({.parts = {wide}, .leaf_count = 16, .x_type = type(), .rows = 1, .outputs = 4});
  refused({.parts = {wide, narrow}, .x_type = type(), .rows = 1, .outputs = 4});
  refused(
      {.parts = {wide}, .x_type = type(), .weights = LeafWeights::kInt8, .rows = 1, .outputs = 4});
  refused({.parts = {narrow},
           .x_type = type(),
           .weights = LeafWeights::kInt4,
           .rows = 1,
           .outputs = 4});
  refused(
      {.parts = {narrow}, .x_type = type(), .weights = LeafWeights::kFp8, .rows = 1, .outputs = 4});
  refused({.parts = {wide}, .x_type = type(), .y_type = other, .rows = 1, .outputs = 4});
  refused({.parts = {wide}, .x_type = type(), .rows = 1, .outputs = 4, .splits = 2});
  refused({.parts = {wide},
           .leaf_count = 2,
           .x_type = type(),
           .rows = 1 << 14,
           .outputs = 4,
           .splits = 2});
}

INSTANTIATE_TEST_SUITE_P(Kernels, LeafProducts, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
