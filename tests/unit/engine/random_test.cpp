#include "engine/random.h"

#include <gtest/gtest.h>

#include <set>

namespace lockstep {
namespace {

TEST(UniformAt, LiesInTheUnitIntervalWithTheRightMean) {
  double sum = 0.0;
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const double value = UniformAt(7, 3, i);
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.005);
}

TEST(UniformAt, DependsOnEveryArgument) {
  const std::set<double> values{UniformAt(1, 2, 3),          UniformAt(2, 2, 3),
                                UniformAt(1, 3, 3),          UniformAt(1, 2, 4),
                                UniformAt(1ull << 40, 2, 3), UniformAt(1, 1ull << 40, 3)};
  EXPECT_EQ(values.size(), 6u);
  EXPECT_EQ(UniformAt(1, 2, 3), UniformAt(1, 2, 3));
}

// Random123's known answers for philox4x32-10: counter and key all zeros, and all ones.
TEST(UniformAt, IsPhilox) {
  const auto first_bits = [](std::uint32_t a, std::uint32_t b) {
    return static_cast<double>(((static_cast<std::uint64_t>(a) << 32) | b) >> 11) * 0x1p-53;
  };
  EXPECT_EQ(UniformAt(0, 0, 0), first_bits(0x6627e8d5, 0xe169c58d));
  EXPECT_EQ(UniformAt(~0ull, ~0ull, ~0ull), first_bits(0x408f276d, 0x41c83b0e));
}

}  // namespace
}  // namespace lockstep
