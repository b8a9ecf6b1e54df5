#include <immintrin.h>

#include "layers/kernels/cpu/kernels.h"

// VDPBF16PS adds two products to a sum at a time; VCVTNE2PS2BF16 rounds to the nearest, ties to
// even. To both, subnormals are zero.
namespace lockstep::cpu::avx512_bf16 {
#include "layers/kernels/cpu/isa/lanes.inc"

namespace {

struct OpBf16 {
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

constexpr int kStreams = 8;
#include "layers/kernels/cpu/isa/product.inc"

}  // namespace

void PackBf16(const PackRow& row) {
  constexpr std::int64_t kPiece = 32;
  std::byte* out = row.out;
  for (std::int64_t i = 0; i < row.count; i += kPiece, out += row.stride) {
    const std::int64_t left = row.count - i;
    const std::uint32_t mask = left >= kPiece ? 0xffffffffu : (1u << left) - 1u;
    const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), row.x + i);
    const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), row.x + i + 16);
    _mm512_storeu_si512(out, (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
}

void ProductBf16(const TileProduct& product) { WalkRows<Floats<OpBf16>, 8, 2>(product); }

}  // namespace lockstep::cpu::avx512_bf16
