#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/numbers/dtype.h"

namespace lockstep {

// fp8 e4m3 by its definition: a sign, four bits of exponent, three of mantissa, no infinity. Used
// where speed does not matter; GPUs have instructions for it.
struct Float8 {
  static constexpr float kLargest = 448.0f;

  std::uint8_t bits = 0;

  Float8() = default;
  // Rounds to nearest, ties to even. What is larger than kLargest becomes kLargest; NaN stays NaN.
  explicit Float8(float value) {
    constexpr int kLeastExponent = -6, kMantissaBits = 3, kNaN = 0x7f;
    const float magnitude = std::min(std::fabs(value), kLargest);
    int code = kNaN;
    if (!std::isnan(value)) {
      const int exponent =
          magnitude == 0.0f ? kLeastExponent : std::max(std::ilogb(magnitude), kLeastExponent);
      // A mantissa that is rounded up to the next power of two carries into the exponent; below the
      // least exponent the leading bit is missing, and that is the code of the subnormals.
      const float steps = std::nearbyint(std::ldexp(magnitude, kMantissaBits - exponent));
      code = ((exponent - kLeastExponent) << kMantissaBits) + static_cast<int>(steps);
    }
    bits = static_cast<std::uint8_t>(code | (std::signbit(value) ? 0x80 : 0));
  }
  explicit operator float() const {
    const int exponent = bits >> 3 & 15, mantissa = bits & 7;
    const float sign = (bits & 0x80) != 0 ? -1.0f : 1.0f;
    if (exponent == 15 && mantissa == 7) return std::copysign(std::nanf(""), sign);
    if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -9);
    return sign * std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  }
};

template <>
struct DTypeOf<Float8> {
  static constexpr DType value = DType::kF8;
};

}  // namespace lockstep
