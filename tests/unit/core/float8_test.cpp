#include "core/numbers/float8.h"

#include <gtest/gtest.h>

#include <limits>

namespace lockstep {
namespace {

constexpr int kLargestCode = 0x7e, kNaNCode = 0x7f;

float Of(int code) {
  Float8 value;
  value.bits = static_cast<std::uint8_t>(code);
  return static_cast<float>(value);
}

int Code(float value) { return Float8(value).bits; }

// The corners of the format, from its specification.
TEST(Float8, HasTheValuesOfE4M3) {
  EXPECT_EQ(Of(0x00), 0.0f);
  EXPECT_EQ(Of(0x01), 0x1p-9f);
  EXPECT_EQ(Of(0x07), 7 * 0x1p-9f);
  EXPECT_EQ(Of(0x08), 0x1p-6f);
  EXPECT_EQ(Of(0x38), 1.0f);
  EXPECT_EQ(Of(0x39), 1.125f);
  EXPECT_EQ(Of(kLargestCode), Float8::kLargest);
  EXPECT_EQ(Of(0xb8), -1.0f);
  EXPECT_TRUE(std::isnan(Of(kNaNCode)));
  EXPECT_TRUE(std::isnan(Of(0xff)));
}

TEST(Float8, EveryCodeComesBack) {
  for (int code = 0; code <= 0xff; ++code) EXPECT_EQ(Code(Of(code)), code);
}

// Between two neighbours: below the middle down, above it up, in the middle to the even code.
TEST(Float8, RoundsToTheNearestAndTiesToEven) {
  for (int code = 0; code < kLargestCode; ++code) {
    const float middle = (Of(code) + Of(code + 1)) / 2;
    const int even = code % 2 == 0 ? code : code + 1;
    EXPECT_EQ(Code(std::nextafter(middle, 0.0f)), code);
    EXPECT_EQ(Code(middle), even);
    EXPECT_EQ(Code(std::nextafter(middle, 1e9f)), code + 1);
    EXPECT_EQ(Code(-middle), even | 0x80);
  }
}

TEST(Float8, EndsAtItsLargestValue) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {449.0f, 1e30f, infinity}) {
    EXPECT_EQ(Code(value), kLargestCode);
    EXPECT_EQ(Code(-value), kLargestCode | 0x80);
  }
  EXPECT_EQ(Code(std::nanf("")), kNaNCode);
  EXPECT_EQ(Code(1e-40f), 0);
}

}  // namespace
}  // namespace lockstep
