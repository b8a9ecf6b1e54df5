#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace lockstep {

enum class DType : std::uint8_t { kF32, kF16, kBF16, kI32 };

constexpr std::size_t SizeOf(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kI32 ? 4 : 2;
}

// "fp32", "fp16", "bf16", "int32": the spelling of flags and messages.
std::string_view Name(DType dtype);

// The inverse of Name(). Throws BadInput listing the known names.
DType ParseDType(std::string_view name);

// Storage types. Arithmetic is done in float; these only convert.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  // Rounds to nearest, ties to even. A NaN stays a (quiet) NaN.
  explicit BFloat16(float value) {
    const auto raw = std::bit_cast<std::uint32_t>(value);
    if ((raw & 0x7fffffffu) > 0x7f800000u) {
      bits = static_cast<std::uint16_t>((raw >> 16) | 0x0040u);
      return;
    }
    bits = static_cast<std::uint16_t>((raw + 0x7fffu + ((raw >> 16) & 1u)) >> 16);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

struct Float16 {
  std::uint16_t bits = 0;

  Float16() = default;
  // Rounds to nearest, ties to even; overflows to infinity; keeps subnormals.
  explicit Float16(float value);
  explicit operator float() const;
};

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::kF16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::kBF16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::kI32;
};

// Converts count elements between floating-point dtypes (through float). The ranges must not
// overlap. kI32 is not accepted.
void ConvertElements(DType from, const void* source, DType to, void* destination,
                     std::size_t count);

}  // namespace lockstep
