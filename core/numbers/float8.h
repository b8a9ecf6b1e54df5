#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/numbers/dtype.h"
#include "core/numbers/weight_format.h"

namespace lockstep {

// fp8 e4m3 by its definition: a sign, four bits of exponent, three of mantissa, no infinity. GPUs
// have instructions for it; weights are rounded to it here, without branches, several at a time.
struct Float8 {
  static constexpr float kLargest = 448.0f;

  std::uint8_t bits = 0;

  Float8() = default;
  // Rounds to nearest, ties to even. What is larger than kLargest becomes kLargest; NaN stays NaN.
  explicit Float8(float value) {
    const auto raw = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t whole = raw & 0x7fffffffu;
    const std::uint32_t magnitude =
        SelectBits(whole < 0x43e00000u, whole, 0x43e00000u);  // kLargest
    const std::uint32_t normal =
        (magnitude + 0x7ffffu + ((magnitude >> 20) & 1u) - 0x3c000000u) >> 20;
    // The steps of what is below 2^-6 are those of the float at 2^14: the FPU does the rounding.
    const float shifted = std::bit_cast<float>(magnitude) + 0x1p14f;
    const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(shifted) - 0x46800000u;
    std::uint32_t code = SelectBits(magnitude >= 0x3c800000u, normal, subnormal);
    code = SelectBits(whole > 0x7f800000u, 0x7fu, code);  // NaN
    bits = static_cast<std::uint8_t>(code | (raw >> 24 & 0x80u));
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

// The most memory of a row of so many inputs, with an fp32 scale for each group: of every leaf the
// last group may not be whole.
constexpr std::int64_t Fp8RowBytes(std::int64_t inputs, std::int64_t leaves) {
  constexpr std::int64_t kScaleBytes = 4;
  return inputs + (inputs / kFp8GroupInputs + leaves) * kScaleBytes;
}

}  // namespace lockstep
