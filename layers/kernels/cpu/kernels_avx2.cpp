#include <immintrin.h>

#include "layers/kernels/cpu/kernels.h"

#define LOCKSTEP_ISA_NAME "avx2"

namespace lockstep::cpu::avx2 {
#include "layers/kernels/cpu/elementwise.inc"

namespace {

std::int32_t Word(const std::byte* bytes) {
  std::int32_t word;
  __builtin_memcpy(&word, bytes, sizeof(word));
  return word;
}

__m256i Eight(const std::byte* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

struct Sums {
  __m256 low, high;
};

struct OpF32 {
  using Acc = Sums;
  using Line = Sums;
  using Value = __m256;
  static Acc Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Acc Load(const float* c) { return {_mm256_loadu_ps(c), _mm256_loadu_ps(c + 8)}; }
  static void Save(const Acc& sum, float* c) {
    _mm256_storeu_ps(c, sum.low);
    _mm256_storeu_ps(c + 8, sum.high);
  }
  static Line Weights(const std::byte* line) {
    return {_mm256_castsi256_ps(Eight(line)), _mm256_castsi256_ps(Eight(line + 32))};
  }
  static Value Broadcast(const std::byte* x) {
    return _mm256_castsi256_ps(_mm256_set1_epi32(Word(x)));
  }
  static void Madd(Acc& sum, const Line& w, Value x) {
    sum.low = _mm256_fmadd_ps(w.low, x, sum.low);
    sum.high = _mm256_fmadd_ps(w.high, x, sum.high);
  }
};

struct OpBf16 : OpF32 {
  struct Line {
    Sums even, odd;
  };
  struct Value {
    __m256 even, odd;
  };
  static __m256 Even(__m256i bits) { return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)); }
  static __m256 Odd(__m256i bits) {
    return _mm256_castsi256_ps(
        _mm256_and_si256(bits, _mm256_set1_epi32(static_cast<std::int32_t>(0xffff0000u))));
  }
  static Line Weights(const std::byte* line) {
    const __m256i low = Eight(line), high = Eight(line + 32);
    return {{Even(low), Even(high)}, {Odd(low), Odd(high)}};
  }
  static Value Broadcast(const std::byte* x) {
    const __m256i bits = _mm256_set1_epi32(Word(x));
    return {Even(bits), Odd(bits)};
  }
  static void Madd(Acc& sum, const Line& w, Value x) {
    OpF32::Madd(sum, w.even, x.even);
    OpF32::Madd(sum, w.odd, x.odd);
  }
};

// VPMADDUBSW multiplies unsigned bytes with signed ones and adds two products in 16 bits. That
// would cut off weights as they are kept, up to 255; their sizes are 127 at most, and their signs
// go to the rows. Nibbles are small enough as they are.
struct OpInt8 {
  static constexpr std::int32_t kInt8Offset = 0;  // taken away before
  struct Acc {
    __m256i low, high;
  };
  struct Signed {
    __m256i weights, sizes;
  };
  struct Line {
    Signed low, high;
  };
  struct HalfLine {
    __m256i low, high;
  };
  using Value = __m256i;
  static Acc Zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Signed WithoutOffset(__m256i bytes) {
    const __m256i weights = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
    return {weights, _mm256_abs_epi8(weights)};
  }
  static Line Weights(const std::byte* line) {
    return {WithoutOffset(Eight(line)), WithoutOffset(Eight(line + 32))};
  }
  static __m256i Nibbles(__m256i bytes, int half) {
    const __m256i shifted = half == 0 ? bytes : _mm256_srli_epi16(bytes, 4);
    return _mm256_and_si256(shifted, _mm256_set1_epi8(0x0f));
  }
  static HalfLine Half(const std::byte* line, int half) {
    return {Nibbles(Eight(line), half), Nibbles(Eight(line + 32), half)};
  }
  static Value Broadcast(const std::byte* x) { return _mm256_set1_epi32(Word(x)); }
  static __m256i Dot(__m256i sizes, __m256i x) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(sizes, x), _mm256_set1_epi16(1));
  }
  static void Madd(Acc& sum, const Line& w, Value x) {
    sum.low = _mm256_add_epi32(sum.low, Dot(w.low.sizes, _mm256_sign_epi8(x, w.low.weights)));
    sum.high = _mm256_add_epi32(sum.high, Dot(w.high.sizes, _mm256_sign_epi8(x, w.high.weights)));
  }
  static void Madd(Acc& sum, const HalfLine& w, Value x) {
    sum.low = _mm256_add_epi32(sum.low, Dot(w.low, x));
    sum.high = _mm256_add_epi32(sum.high, Dot(w.high, x));
  }
  static Lanes ToFloat(const Acc& sum, std::int32_t offset) {
    const __m256i off = _mm256_set1_epi32(offset);
    float values[kLanes];
    _mm256_storeu_ps(values, _mm256_cvtepi32_ps(_mm256_sub_epi32(sum.low, off)));
    _mm256_storeu_ps(values + 8, _mm256_cvtepi32_ps(_mm256_sub_epi32(sum.high, off)));
    return Load(values);
  }
};

constexpr int kStreams = 4;
#include "layers/kernels/cpu/product.inc"

constexpr int kMostF32Rows = 6;
constexpr int kMostRows = 4;
constexpr int kMostPanels = 1;

}  // namespace

#include "layers/kernels/cpu/table.inc"
}  // namespace lockstep::cpu::avx2
