#pragma once

#include <cstdint>

// The vectorised inner loops, compiled once for each instruction set from the same source
// (kernels.inc). These translation units hold nothing else: an inline function of a common header
// compiled for AVX-512 could be the copy that the linker keeps for everybody.
//
// All sums run in 16 lanes that are added in one fixed order, without contraction: every
// instruction set gives the same bits.
namespace lockstep::cpu {

struct Kernels {
  const char* name;

  // y[t * y_stride + n] = dot(x[t], w[n]) for t < tokens, n < outputs.
  //   x [tokens, inputs] fp32;  w [outputs, inputs] fp32, or bf16 as raw bits
  void (*linear_f32)(const float* x, std::int64_t tokens, std::int64_t inputs, const float* w,
                     std::int64_t outputs, float* y, std::int64_t y_stride);
  void (*linear_bf16)(const float* x, std::int64_t tokens, std::int64_t inputs,
                      const std::uint16_t* w, std::int64_t outputs, float* y,
                      std::int64_t y_stride);

  // dot(a, b) and y += scale * b, with b fp32 or bf16.
  float (*dot_f32)(const float* a, const float* b, std::int64_t count);
  float (*dot_bf16)(const float* a, const std::uint16_t* b, std::int64_t count);
  void (*axpy_f32)(float scale, const float* b, std::int64_t count, float* y);
  void (*axpy_bf16)(float scale, const std::uint16_t* b, std::int64_t count, float* y);

  // Rounds to the nearest bf16, ties to even; y keeps fp32 form. In place is legal.
  void (*round_to_bf16)(const float* x, std::int64_t count, float* y);
};

namespace portable {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}

// The best set this processor has; LOCKSTEP_ISA=portable|avx2|avx512 asks for a lesser one.
const Kernels& SelectKernels();

}  // namespace lockstep::cpu
