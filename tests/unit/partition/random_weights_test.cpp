#include "partition/checkpoint/random_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace lockstep {
namespace {

TensorSlice MatrixSlice(std::string name, Range rows, Range columns) {
  return {.name = std::move(name), .shape = {96, 5000}, .rows = rows, .columns = columns};
}

TensorSlice VectorSlice(std::string name, Range rows) {
  return {.name = std::move(name), .shape = {40000}, .rows = rows};
}

std::vector<float> Read(const TensorSlice& slice, std::uint64_t seed = 0) {
  std::vector<float> values(static_cast<std::size_t>(slice.elements()));
  const Shape shape{slice.rows.size(), slice.columns.size()};
  RandomWeights(seed)(slice, {values.data(), DType::kF32, shape});
  return values;
}

struct Moments {
  double mean = 0;
  double deviation = 0;
  double largest = 0;  // distance from the mean
};

Moments MomentsOf(const std::vector<float>& values) {
  Moments moments;
  for (const float value : values) moments.mean += value;
  moments.mean /= static_cast<double>(values.size());
  for (const float value : values) {
    const double distance = std::abs(value - moments.mean);
    moments.deviation += distance * distance;
    moments.largest = std::max(moments.largest, distance);
  }
  moments.deviation = std::sqrt(moments.deviation / static_cast<double>(values.size()));
  return moments;
}

TEST(RandomWeights, OfASliceAreThoseOfTheWholeTensor) {
  const std::vector<float> whole = Read(MatrixSlice("a.weight", {0, 96}, {0, 5000}));
  const std::vector<float> part = Read(MatrixSlice("a.weight", {17, 60}, {1000, 3333}));
  std::size_t next = 0;
  for (std::size_t row = 17; row < 60; ++row)
    for (std::size_t column = 1000; column < 3333; ++column)
      ASSERT_EQ(part[next++], whole[row * 5000 + column]) << row << ", " << column;
}

TEST(RandomWeights, OfAPartOfAVectorAreThoseOfTheWhole) {
  const std::vector<float> whole = Read(VectorSlice("a.bias", {0, 40000}));
  const std::vector<float> part = Read(VectorSlice("a.bias", {1023, 2050}));
  for (std::size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], whole[1023 + i]) << i;
}

TEST(RandomWeights, DependOnSeedNameRowAndColumn) {
  const auto value = [](const char* name, std::int64_t row, std::int64_t column,
                        std::uint64_t seed) {
    return Read(MatrixSlice(name, {row, row + 1}, {column, column + 64}), seed);
  };
  const std::vector<float> base = value("a.weight", 1, 2, 0);
  EXPECT_EQ(base, value("a.weight", 1, 2, 0));
  EXPECT_NE(base, value("a.weight", 1, 2, 1));
  EXPECT_NE(base, value("b.weight", 1, 2, 0));
  EXPECT_NE(base, value("a.weight", 2, 2, 0));
  EXPECT_NE(base, value("a.weight", 1, 3, 0));
}

// Written down once: a change would make figures of different versions those of different models.
TEST(RandomWeights, StayTheSame) {
  const std::vector<float> values = Read(MatrixSlice("a.weight", {1, 2}, {0, 4}));
  const float scale = 0.02f / 147.8f;
  EXPECT_EQ(values, (std::vector<float>{17 * scale, 25 * scale, 152 * scale, -113 * scale}));
}

TEST(RandomWeights, OfAMatrixHaveTheDeviationOfAFreshModel) {
  const Moments moments = MomentsOf(Read(MatrixSlice("a.weight", {0, 96}, {0, 5000})));
  EXPECT_NEAR(moments.mean, 0.0, 1e-4);
  EXPECT_NEAR(moments.deviation, 0.02, 2e-4);
  EXPECT_LT(moments.largest, 0.0701);
}

TEST(RandomWeights, OfNormsAreNearOneAndBiasesNearZero) {
  const Moments norm = MomentsOf(Read(VectorSlice("norm.weight", {0, 40000})));
  EXPECT_NEAR(norm.mean, 1.0, 1e-3);
  EXPECT_NEAR(norm.deviation, 0.02, 1e-3);
  const Moments bias = MomentsOf(Read(VectorSlice("norm.bias", {0, 40000})));
  EXPECT_NEAR(bias.mean, 0.0, 1e-4);
  EXPECT_NEAR(bias.deviation, 0.002, 1e-4);
}

TEST(RandomWeights, OfNeighboursAreNotRelated) {
  const std::vector<float> whole = Read(MatrixSlice("a.weight", {0, 96}, {0, 5000}));
  for (const std::size_t step : {1u, 2u, 16u, 5000u}) {
    double product = 0;
    for (std::size_t i = 0; i + step < whole.size(); ++i)
      product += static_cast<double>(whole[i]) * whole[i + step];
    // 480,000 independent products: the standard deviation is 0.0014.
    EXPECT_LT(std::abs(product / static_cast<double>(whole.size()) / 4e-4), 0.008) << step;
  }
}

TEST(RandomWeights, InBf16AreTheRoundedOnes) {
  const TensorSlice slice = MatrixSlice("a.weight", {3, 5}, {7, 1900});
  const std::vector<float> exact = Read(slice);
  std::vector<BFloat16> rounded(exact.size());
  RandomWeights(0)(slice, {rounded.data(), DType::kBF16, {2, 1893}});
  for (std::size_t i = 0; i < exact.size(); ++i)
    ASSERT_EQ(rounded[i].bits, BFloat16(exact[i]).bits) << i;
}

}  // namespace
}  // namespace lockstep
