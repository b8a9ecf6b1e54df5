#include "core/numbers/dtype.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/numbers/weight_format.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kAllHalves = 0x10000;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

float FromBits(std::uint32_t bits) { return std::bit_cast<float>(bits); }
std::uint32_t Bits(float value) { return std::bit_cast<std::uint32_t>(value); }
std::uint16_t Half(float value) { return Float16(value).bits; }
std::uint16_t Brain(float value) { return BFloat16(value).bits; }

template <typename T>
T OfBits(std::uint32_t bits) {
  T value;
  value.bits = static_cast<std::uint16_t>(bits);
  return value;
}

// What a half means, from the definition of the format and not from its bit tricks.
float HalfByDefinition(std::uint32_t bits) {
  const int exponent = static_cast<int>((bits >> 10) & 0x1f);
  const auto mantissa = static_cast<float>(bits & 0x3ff);
  const float sign = (bits & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) return mantissa == 0 ? sign * kInfinity : std::nanf("");
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024.0f + mantissa, exponent - 25);
}

// The half nearest to a finite positive value, found by searching the whole format: the oracle
// of the rounding tests. On a tie, the candidate with an even mantissa.
std::uint16_t NearestHalf(double value) {
  std::uint32_t low = 0;
  std::uint32_t high = 0x7bff;  // 65504, the largest finite half
  while (low < high) {          // the largest half that is not above the value
    const std::uint32_t middle = (low + high + 1) / 2;
    if (static_cast<double>(HalfByDefinition(middle)) <= value) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const double below = value - static_cast<double>(HalfByDefinition(low));
  // Past the largest half the next number would be 65536, and stands for infinity.
  const double next = low == 0x7bff ? 65536.0 : static_cast<double>(HalfByDefinition(low + 1));
  const double above = next - value;
  const bool up = above < below || (above == below && (low & 1) != 0);
  return static_cast<std::uint16_t>(low + (up ? 1 : 0));
}

TEST(Float16, WidensEveryBitPatternExactly) {
  for (std::uint32_t bits = 0; bits < kAllHalves; ++bits) {
    const auto value = static_cast<float>(OfBits<Float16>(bits));
    const float expected = HalfByDefinition(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
    } else {
      ASSERT_EQ(Bits(value), Bits(expected)) << bits;  // bits: -0 is not 0
    }
  }
}

TEST(Float16, NarrowsEveryHalfBackToItself) {
  for (std::uint32_t bits = 0; bits < kAllHalves; ++bits) {
    const auto value = static_cast<float>(OfBits<Float16>(bits));
    if (std::isnan(value)) {
      ASSERT_EQ(Half(value) & 0x7c00, 0x7c00) << bits;
      ASSERT_NE(Half(value) & 0x3ff, 0) << bits;
    } else {
      ASSERT_EQ(Half(value), bits);
    }
  }
}

// Every midpoint between two neighbouring halves, and the floats just below and above it: the
// only places where a rounding error can hide.
TEST(Float16, RoundsToNearestWithTiesToEvenAroundEveryMidpoint) {
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const double low = static_cast<double>(HalfByDefinition(bits));
    const double high = bits == 0x7bff ? 65536.0 : static_cast<double>(HalfByDefinition(bits + 1));
    const auto tie = static_cast<float>((low + high) / 2);  // exact: floats have 13 more bits
    for (const float value : {std::nextafter(tie, 0.0f), tie, std::nextafter(tie, kInfinity)}) {
      const std::uint16_t expected = NearestHalf(static_cast<double>(value));
      ASSERT_EQ(Half(value), expected) << value;
      ASSERT_EQ(Half(-value), expected | 0x8000) << value;
    }
  }
}

TEST(Float16, AgreesWithTheNearestHalfOnAStrideOverAllFloats) {
  // A prime stride visits every exponent with ever changing mantissas.
  for (std::uint64_t bits = 0; bits < 0x7f800000u; bits += 19997) {
    const float value = FromBits(static_cast<std::uint32_t>(bits));
    ASSERT_EQ(Half(value), NearestHalf(static_cast<double>(value))) << value;
  }
}

TEST(Float16, OverflowsToInfinityFromTheMidpointPastTheLargestHalf) {
  EXPECT_EQ(Half(65504.0f), 0x7bff);
  EXPECT_EQ(Half(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(Half(65520.0f), 0x7c00);
  EXPECT_EQ(Half(-std::numeric_limits<float>::max()), 0xfc00);
  EXPECT_EQ(Half(kInfinity), 0x7c00);
}

TEST(Float16, UnderflowsToSignedZeroFromTheHalvedSmallestSubnormal) {
  EXPECT_EQ(Half(0x1p-24f), 0x0001);
  EXPECT_EQ(Half(0x1p-25f), 0x0000);  // a tie: even
  EXPECT_EQ(Half(std::nextafter(0x1p-25f, 1.0f)), 0x0001);
  EXPECT_EQ(Half(-0x1p-26f), 0x8000);
  EXPECT_EQ(Half(std::numeric_limits<float>::denorm_min()), 0x0000);
}

TEST(Float16, KeepsNanANanOfTheSameSign) {
  EXPECT_EQ(Half(FromBits(0x7fc00000)) & 0xfe00, 0x7e00);
  EXPECT_EQ(Half(FromBits(0x7f800001)) & 0xfe00, 0x7e00);  // its payload has no bit a half keeps
  EXPECT_EQ(Half(FromBits(0xffc00000)) & 0xfe00, 0xfe00);
}

#ifdef __FLT16_MAX__
// The compiler's own half precision, where it has one: an independent implementation.
TEST(Float16, AgreesWithTheCompilersHalfOnAStrideOverAllFloats) {
  for (std::uint64_t bits = 0; bits <= 0xffffffffu; bits += 9973) {
    const float value = FromBits(static_cast<std::uint32_t>(bits));
    if (std::isnan(value)) continue;
    const auto expected = static_cast<_Float16>(value);
    ASSERT_EQ(Half(value), std::bit_cast<std::uint16_t>(expected)) << value;
    ASSERT_EQ(static_cast<float>(OfBits<Float16>(Half(value))), static_cast<float>(expected));
  }
}
#endif

TEST(BFloat16, IsTheUpperHalfOfAFloat) {
  for (std::uint32_t bits = 0; bits < kAllHalves; ++bits)
    ASSERT_EQ(Bits(static_cast<float>(OfBits<BFloat16>(bits))), bits << 16);
}

TEST(BFloat16, NarrowsEveryValueBackToItself) {
  for (std::uint32_t bits = 0; bits < kAllHalves; ++bits) {
    const auto value = static_cast<float>(OfBits<BFloat16>(bits));
    if (std::isnan(value)) {
      ASSERT_EQ(Brain(value), bits | 0x40) << bits;  // quiet, and otherwise the same
    } else {
      ASSERT_EQ(Brain(value), bits);
    }
  }
}

TEST(BFloat16, RoundsToNearestWithTiesToEvenAroundEveryMidpoint) {
  for (std::uint32_t bits = 0; bits < 0x7f80; ++bits) {
    const std::uint32_t tie = (bits << 16) | 0x8000u;
    ASSERT_EQ(Brain(FromBits(tie - 1)), bits);
    ASSERT_EQ(Brain(FromBits(tie)), bits + (bits & 1));
    ASSERT_EQ(Brain(FromBits(tie + 1)), bits + 1);
    ASSERT_EQ(Brain(FromBits(0x80000000u | tie)), 0x8000u | (bits + (bits & 1)));
  }
}

TEST(BFloat16, OverflowsToInfinityAndKeepsNan) {
  EXPECT_EQ(Brain(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(Brain(-kInfinity), 0xff80);
  // All payload bits low: rounding alone would carry this NaN into infinity or zero.
  EXPECT_EQ(Brain(FromBits(0x7f800001)), 0x7fc0);
  EXPECT_EQ(Brain(FromBits(0x7fffffff)), 0x7fff);
  EXPECT_EQ(Brain(FromBits(0xffffffff)), 0xffff);
}

TEST(DType, SizesAreThoseOfTheStorage) {
  EXPECT_EQ(SizeOf(DType::kF32), sizeof(float));
  EXPECT_EQ(SizeOf(DType::kF16), sizeof(Float16));
  EXPECT_EQ(SizeOf(DType::kBF16), sizeof(BFloat16));
  EXPECT_EQ(SizeOf(DType::kI32), sizeof(std::int32_t));
}

TEST(DType, HasTheNameThatFlagsHave) {
  EXPECT_EQ(Name(DType::kF32), "fp32");
  EXPECT_EQ(Name(DType::kF16), "fp16");
  EXPECT_EQ(Name(DType::kBF16), "bf16");
  EXPECT_EQ(Name(DType::kI8), "int8");
  EXPECT_EQ(Name(DType::kF8), "fp8");
}

TEST(ConvertElements, ConvertsBetweenAllFloatingDTypes) {
  const std::vector<float> values = {0.0f, -1.5f, 3.140625f, 0x1p-20f, 65504.0f};
  std::vector<Float16> halves(values.size());
  std::vector<BFloat16> brains(values.size());
  std::vector<float> back(values.size());

  ConvertElements(DType::kF32, values.data(), DType::kF16, halves.data(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(halves[i].bits, Half(values[i]));

  ConvertElements(DType::kF16, halves.data(), DType::kBF16, brains.data(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(brains[i].bits, Brain(static_cast<float>(halves[i])));

  ConvertElements(DType::kBF16, brains.data(), DType::kF32, back.data(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(back[i], static_cast<float>(brains[i]));
}

TEST(WeightFormat, TakesMemoryForScalesToo) {
  constexpr std::int64_t kElements = 512;
  for (const auto& [format, bytes] : {std::pair(WeightFormat::kF32, 4 * kElements),
                                      {WeightFormat::kBF16, 2 * kElements},
                                      {WeightFormat::kF16, 2 * kElements},
                                      {WeightFormat::kInt8, kElements + 2 * 2},
                                      {WeightFormat::kInt4, kElements / 2 + 8 * 2},
                                      {WeightFormat::kF8, kElements + 2 * 4}})
    EXPECT_EQ(MatrixBytes(format, kElements), bytes) << Name(format);
  EXPECT_EQ(Name(WeightFormat::kF8), "fp8");
}

TEST(ConvertElements, CopiesEqualDTypesBitForBit) {
  const std::vector<std::uint32_t> bits = {0x7f800001, 0x80000000, 1};
  std::vector<std::uint32_t> copy(bits.size());
  ConvertElements(DType::kF32, bits.data(), DType::kF32, copy.data(), bits.size());
  EXPECT_EQ(copy, bits);
}

TEST(ConvertElements, AcceptsNothingToConvert) {
  ConvertElements(DType::kF32, nullptr, DType::kF32, nullptr, 0);
  ConvertElements(DType::kF32, nullptr, DType::kBF16, nullptr, 0);
}

TEST(ConvertElements, RefusesIntegers) {
  std::int32_t integer = 1;
  float real = 1.0f;
  EXPECT_THROW(ConvertElements(DType::kI32, &integer, DType::kF32, &real, 1), Error);
  EXPECT_THROW(ConvertElements(DType::kF32, &real, DType::kI32, &integer, 1), Error);
}

}  // namespace
}  // namespace lockstep
