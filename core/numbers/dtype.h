#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace lockstep {

// kF8 is e4m3 (core/numbers/float8.h): of keys and values only, with a scale beside it. kF64 is of
// checkpoint files only: it is converted while it is read.
enum class DType : std::uint8_t { kF32, kF16, kBF16, kI32, kI8, kF8, kF64 };

constexpr std::size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32: return 4;
    case DType::kI8:
    case DType::kF8: return 1;
    case DType::kF64: return 8;
    default: return 2;
  }
}

// "fp32", "fp16", "bf16", "int32", "int8", "fp8", "fp64": the spelling of flags and messages.
std::string_view Name(DType dtype);

// Storage types. Arithmetic is done in float; these only convert.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  // Rounds to nearest, ties to even. A NaN stays a (quiet) NaN.
  explicit BFloat16(float value) {
    const auto raw = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (raw + 0x7fffu + ((raw >> 16) & 1u)) >> 16;
    const std::uint32_t quiet = (raw >> 16) | 0x0040u;
    bits = static_cast<std::uint16_t>((raw & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

// A mask and not `?:`, which the compiler would make a branch around the arithmetic.
constexpr std::uint32_t SelectBits(bool condition, std::uint32_t yes, std::uint32_t no) {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}

// Both conversions compute every case and choose at the end: without branches, and inline, the
// compiler converts several elements at a time, and loading a checkpoint is mostly this.
struct Float16 {
  std::uint16_t bits = 0;

  Float16() = default;
  // Rounds to nearest, ties to even; overflows to infinity; keeps subnormals.
  explicit Float16(float value) {
    const auto raw = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t magnitude = raw & 0x7fffffffu;
    const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
    const std::uint32_t normal = (rounded - 0x38000000u) >> 13;
    // Adding 0.5 lines the subnormal's last bit up with the float's: the FPU does the rounding.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u;
    std::uint32_t result = SelectBits(magnitude >= 0x38800000u, normal, subnormal);
    result = SelectBits(magnitude >= 0x477ff000u, 0x7c00u, result);  // 65536 or more: infinity
    result = SelectBits(magnitude > 0x7f800000u, 0x7e00u, result);   // NaN
    bits = static_cast<std::uint16_t>(((raw >> 16) & 0x8000u) | result);
  }
  explicit operator float() const {
    const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7fffu) << 13;
    const std::uint32_t normal = magnitude + (112u << 23);
    // 2^-14 + m x 2^-24 is a normal float; taking 2^-14 away again is exact.
    const float subnormal = std::bit_cast<float>(magnitude + (113u << 23)) - 0x1p-14f;
    std::uint32_t result =
        SelectBits(magnitude < (1u << 23), std::bit_cast<std::uint32_t>(subnormal), normal);
    result =
        SelectBits(magnitude >= (31u << 23), normal + (112u << 23), result);  // infinity and NaN
    return std::bit_cast<float>(result | static_cast<std::uint32_t>(bits & 0x8000u) << 16);
  }
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

// Converts count elements between floating-point dtypes (through float; never to fp64). The ranges
// must not overlap. Integers are not accepted.
void ConvertElements(DType from, const void* source, DType to, void* destination,
                     std::size_t count);

}  // namespace lockstep
