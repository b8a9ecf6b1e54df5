#include "core/numbers/dtype.h"

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
    case DType::kI32:
    case DType::kI8:
    case DType::kF8:
    case DType::kF64: break;
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
    case DType::kI8: return "int8";
    case DType::kF8: return "fp8";
    case DType::kF64: return "fp64";
  }
  return "?";
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
    case DType::kF64: return ConvertFrom<double>(source, to, destination, count);
    case DType::kI32:
    case DType::kI8:
    case DType::kF8: break;
  }
  LOCKSTEP_CHECK(false, "no conversion from {}", Name(from));
}

}  // namespace lockstep
