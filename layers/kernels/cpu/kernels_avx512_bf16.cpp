#include <immintrin.h>

#include "layers/kernels/cpu/kernels.h"

// VDPBF16PS: two products are added to a sum at a time, subnormals count as zero.
namespace lockstep::cpu::avx512_bf16 {
#include "layers/kernels/cpu/lanes.inc"

namespace {

struct OpF32 {
  using Acc = __m512;
  using Line = __m512bh;
  using Value = __m512bh;
  static Acc Zero() { return _mm512_setzero_ps(); }
  static Acc Load(const float* c) { return _mm512_loadu_ps(c); }
  static void Save(Acc sum, float* c) { _mm512_storeu_ps(c, sum); }
  static Line Weights(const std::byte* line) { return (__m512bh)_mm512_loadu_si512(line); }
  static Value Broadcast(const std::byte* x) {
    std::int32_t word;
    __builtin_memcpy(&word, x, sizeof(word));
    return (__m512bh)_mm512_set1_epi32(word);
  }
  static void Madd(Acc& sum, Line w, Value x) { sum = _mm512_dpbf16_ps(sum, w, x); }
};
using OpBf16 = OpF32;

#define LOCKSTEP_ONLY_BF16
#include "layers/kernels/cpu/product.inc"

}  // namespace

void ProductBf16(const TileProduct& product) { WalkRows<PieceBf16, 8, 2>(product); }

}  // namespace lockstep::cpu::avx512_bf16
