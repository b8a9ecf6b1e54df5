#include <immintrin.h>

#include "layers/kernels/cpu/kernels.h"

#define LOCKSTEP_ISA_NAME "avx512"

namespace lockstep::cpu::avx512 {
#include "layers/kernels/cpu/isa/elementwise.inc"

namespace {

std::int32_t Word(const std::byte* bytes) {
  std::int32_t word;
  __builtin_memcpy(&word, bytes, sizeof(word));
  return word;
}

struct OpF32 {
  using Acc = __m512;
  using Line = __m512;
  using Value = __m512;
  static Acc Zero() { return _mm512_setzero_ps(); }
  static Acc Load(const float* c) { return _mm512_loadu_ps(c); }
  static void Save(Acc sum, float* c) { _mm512_storeu_ps(c, sum); }
  static Line Weights(const std::byte* line) { return _mm512_loadu_ps(line); }
  static Value Broadcast(const std::byte* x) {
    return _mm512_castsi512_ps(_mm512_set1_epi32(Word(x)));
  }
  static void Madd(Acc& sum, Line w, Value x) { sum = _mm512_fmadd_ps(w, x, sum); }
};

struct OpBf16 : OpF32 {
  struct Pair {
    __m512 even, odd;
  };
  using Line = Pair;
  using Value = Pair;
  static Pair Split(__m512i bits) {
    const __m512i mask = _mm512_set1_epi32(static_cast<std::int32_t>(0xffff0000u));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(bits, 16)),
            _mm512_castsi512_ps(_mm512_and_si512(bits, mask))};
  }
  static Line Weights(const std::byte* line) { return Split(_mm512_loadu_si512(line)); }
  static Value Broadcast(const std::byte* x) { return Split(_mm512_set1_epi32(Word(x))); }
  static void Madd(Acc& sum, const Line& w, const Value& x) {
    sum = _mm512_fmadd_ps(w.even, x.even, sum);
    sum = _mm512_fmadd_ps(w.odd, x.odd, sum);
  }
};

struct OpInt8 {
  static constexpr std::int32_t kInt8Offset = 128;
  using Acc = __m512i;
  using Line = __m512i;
  using HalfLine = Line;
  using Value = __m512i;
  static Acc Zero() { return _mm512_setzero_si512(); }
  static Line Weights(const std::byte* line) { return _mm512_loadu_si512(line); }
  static Line Half(const std::byte* line, int half) {
    const __m512i bytes = _mm512_loadu_si512(line);
    const __m512i shifted = half == 0 ? bytes : _mm512_srli_epi16(bytes, 4);
    return _mm512_and_si512(shifted, _mm512_set1_epi8(0x0f));
  }
  static Value Broadcast(const std::byte* x) { return _mm512_set1_epi32(Word(x)); }
  static void Madd(Acc& sum, Line w, Value x) { sum = _mm512_dpbusd_epi32(sum, w, x); }
  static Lanes ToFloat(Acc sum, std::int32_t offset) { return ToFloats((LaneInts)sum - offset); }
};

constexpr int kStreams = 8;
#include "layers/kernels/cpu/isa/product.inc"

#include "layers/kernels/cpu/isa/integer_tiles.inc"

constexpr Product* kProducts[] = {&WalkRows<Floats<OpF32>, 8, 2>, &WalkRows<Floats<OpBf16>, 8, 2>,
                                  &WalkRows<Integers<OpInt8Tiles>, 8, 2>,
                                  &WalkRows<Integers<OpInt4>, 8, 2>};

}  // namespace

#include "layers/kernels/cpu/isa/table.inc"
}  // namespace lockstep::cpu::avx512
