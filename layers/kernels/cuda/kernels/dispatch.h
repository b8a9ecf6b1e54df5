#pragma once

// From run-time values to template arguments, in host code.

#include <cstdint>
#include <type_traits>

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/kernels/kernels.h"
#include "layers/kernels/cuda/kernels/launch.h"

namespace lockstep::cuda {

// Calls f with a value of T's type: of no use but for its type.
template <typename F>
void ForHalfType(DType type, const char* launcher, F f) {
  switch (type) {
    case DType::kBF16: return f(BF16{});
    case DType::kF16: return f(F16{});
    default: RefuseArguments(launcher, "no kernel for this type; bf16 and fp16 have one");
  }
}

template <typename F>
void ForFloatType(DType type, const char* launcher, F f) {
  if (type == DType::kF32) return f(float{});
  ForHalfType(type, launcher, f);
}

template <Access kValue>
using AccessConstant = std::integral_constant<Access, kValue>;

template <typename F>
void ForAccess(Access access, F f) {
  if (access == Access::kVectors) return f(AccessConstant<Access::kVectors>{});
  f(AccessConstant<Access::kElements>{});
}

// Vectors, where all rows of `width` elements begin on 16 bytes and are whole 8s.
template <typename... Pointers>
Access AccessOf(std::int64_t width, const Pointers*... pointers) {
  std::uintptr_t bits = static_cast<std::uintptr_t>(width % 8);
  ((bits |= reinterpret_cast<std::uintptr_t>(pointers) % 16), ...);
  return bits == 0 ? Access::kVectors : Access::kElements;
}

}  // namespace lockstep::cuda
