#include "core/dtype.h"

#include "core/error.h"

namespace lockstep {
namespace {

template <typename From, typename To>
void ConvertTyped(const void* source, void* destination, std::size_t count) {
  const auto* from = static_cast<const From*>(source);
  auto* to = static_cast<To*>(destination);
  for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<To>(static_cast<float>(from[i]));
}

template <typename From>
void ConvertFrom(const void* source, DType to, void* destination, std::size_t count) {
  switch (to) {
    case DType::kF32: return ConvertTyped<From, float>(source, destination, count);
    case DType::kF16: return ConvertTyped<From, Float16>(source, destination, count);
    case DType::kBF16: return ConvertTyped<From, BFloat16>(source, destination, count);
    case DType::kI32: break;
  }
  LOCKSTEP_CHECK(false, "no conversion to {}", Name(to));
}

}  // namespace

std::string_view Name(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "fp32";
    case DType::kF16: return "fp16";
    case DType::kBF16: return "bf16";
    case DType::kI32: return "int32";
  }
  return "?";
}

DType ParseDType(std::string_view name) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
    if (name == Name(dtype)) return dtype;
  throw BadInput("dtype \"{}\" is not known; use fp32, fp16 or bf16", name);
}

Float16::Float16(float value) {
  const auto raw = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((raw >> 16) & 0x8000u);
  const std::uint32_t magnitude = raw & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // NaN
    bits = static_cast<std::uint16_t>(sign | 0x7e00u);
  } else if (magnitude >= 0x477ff000u) {  // rounds to 65536 or more
    bits = static_cast<std::uint16_t>(sign | 0x7c00u);
  } else if (magnitude >= 0x38800000u) {  // normal in half precision
    const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
    bits = static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
  } else {
    // Adding 0.5 lines the subnormal's last bit up with the float's: the FPU does the rounding.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    bits = static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
}

Float16::operator float() const {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float subnormal = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -subnormal : subnormal;
}

void ConvertElements(DType from, const void* source, DType to, void* destination,
                     std::size_t count) {
  if (from == to) {
    if (count != 0) std::memcpy(destination, source, count * SizeOf(from));
    return;
  }
  switch (from) {
    case DType::kF32: return ConvertFrom<float>(source, to, destination, count);
    case DType::kF16: return ConvertFrom<Float16>(source, to, destination, count);
    case DType::kBF16: return ConvertFrom<BFloat16>(source, to, destination, count);
    case DType::kI32: break;
  }
  LOCKSTEP_CHECK(false, "no conversion from {}", Name(from));
}

}  // namespace lockstep
