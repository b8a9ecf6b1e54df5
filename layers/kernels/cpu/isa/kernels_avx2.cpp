#include <immintrin.h>

#include "layers/kernels/cpu/kernels.h"

#define LOCKSTEP_ISA_NAME "avx2"

namespace lockstep::cpu::avx2 {
#include "layers/kernels/cpu/isa/elementwise.inc"

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

  // For wide rows.
  static __m256i RowEven(__m256i bits) { return _mm256_castps_si256(Even(bits)); }
  static __m256i RowOdd(__m256i bits) { return _mm256_castps_si256(Odd(bits)); }
  static void Madd(Acc& sum, __m256 low, __m256 high, std::int32_t x) {
    OpF32::Madd(sum, Sums{low, high}, _mm256_castsi256_ps(_mm256_set1_epi32(x)));
  }
};

// Sums of integers, which are exact in any order.
struct OpInteger {
  struct Acc {
    __m256i low, high;
  };
  static Acc Zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  // sum += the products of 16 bits, two by two.
  static void Madd(Acc& sum, __m256i low, __m256i high, __m256i x) {
    sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(low, x));
    sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(high, x));
    // Else GCC adds up the products of a line first, which leaves no registers for the sums.
    asm("" : "+x"(sum.low), "+x"(sum.high));
  }
  static __m256 Bf16(const std::uint16_t* bits) {
    const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bits));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(eight), 16));
  }
  static Sums Scales(const std::uint16_t* bf16) { return {Bf16(bf16), Bf16(bf16 + 8)}; }
  static void AddScaled(const Acc& sum, std::int32_t offset, const Sums& scales, float row_scale,
                        Start start, float* out) {
    const auto half = [&](__m256i sums, __m256 scale, float* to) {
      const __m256 exact = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums, _mm256_set1_epi32(offset)));
      const __m256 value = exact * (scale * row_scale);
      _mm256_storeu_ps(to, start == Start::kZero ? value : _mm256_loadu_ps(to) + value);
    };
    half(sum.low, scales.low, out);
    half(sum.high, scales.high, out + 8);
  }
};

// VPMADDWD, with weights as they are kept, 0 to 255. VPMADDUBSW would cut off such products two by
// two; giving it sizes, and the signs to the rows, takes one instruction more for as many products.
struct OpInt8 : OpInteger {
  static constexpr std::int64_t kStoredTileBytes = kTileBytes;
  static constexpr std::int64_t kQuantTiles = kInt8QuantTiles;
  static constexpr std::int32_t kOffset = 128;

  static __m256i Even(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi16(0x00ff)); }
  static __m256i Odd(__m256i bytes) { return _mm256_srli_epi16(bytes, 8); }
  static __m256i RowEven(__m256i bytes) { return RowOdd(_mm256_slli_epi16(bytes, 8)); }
  static __m256i RowOdd(__m256i bytes) { return _mm256_srai_epi16(bytes, 8); }
  static void Madd(Acc& sum, __m256i low, __m256i high, std::int32_t x) {
    OpInteger::Madd(sum, low, high, _mm256_set1_epi32(x));
  }
};

constexpr int kStreams = 4;
#include "layers/kernels/cpu/isa/product.inc"

// Some tiles of rows as multiply-adds take them, each 4 bytes to be broadcast: of the inputs in
// those 4 bytes of a line the even ones and the odd ones, in twice as many bits.
template <class Op, int kRows, int kTiles>
struct WideRows {
  alignas(32) std::int32_t even[kTiles][kRows][kTileLines];
  alignas(32) std::int32_t odd[kTiles][kRows][kTileLines];

  WideRows(const std::byte* x, std::int64_t x_line, std::int64_t tiles) {
    for (std::int64_t tile = 0; tile < tiles; ++tile, x += x_line)
      for (int r = 0; r < kRows; ++r)
        for (int line = 0; line < kTileLines; line += 8) {
          const __m256i bits = Eight(x + r * kLineBytes + line * 4);
          Store(even[tile][r] + line, Op::RowEven(bits));
          Store(odd[tile][r] + line, Op::RowOdd(bits));
        }
  }
  static void Store(std::int32_t* to, __m256i words) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), words);
  }

  // The products with the tiles of some panels. What lies `ahead` bytes behind a line is fetched.
  template <int kPanels>
  void Multiply(const std::byte* w, std::int64_t panel_stride, std::int64_t tiles,
                std::int64_t ahead, typename Op::Acc (&sums)[kRows][kPanels]) const {
    for (std::int64_t tile = 0; tile < tiles; ++tile)
#pragma GCC unroll 2
      for (int line = 0; line < kTileLines; ++line, w += kLineBytes)
        for (int p = 0; p < kPanels; ++p) {
          const std::byte* at = w + p * panel_stride;
          Prefetch(at, ahead);
          const __m256i low = Eight(at), high = Eight(at + 32);
          for (int r = 0; r < kRows; ++r)
            Op::Madd(sums[r][p], Op::Even(low), Op::Even(high), even[tile][r][line]);
          for (int r = 0; r < kRows; ++r)
            Op::Madd(sums[r][p], Op::Odd(low), Op::Odd(high), odd[tile][r][line]);
        }
  }
};

struct OpInt8Tiles : OpInt8 {
  template <int kRows, int kPanels>
  static inline void Tiles(const std::byte* x, std::int64_t x_line, const std::byte* w,
                           std::int64_t panel_stride, std::int64_t tiles, NextPanels,
                           Acc (&sums)[kRows][kPanels]) {
    const WideRows<OpInt8, kRows, kQuantTiles> rows(x, x_line, tiles);
    rows.Multiply(w, panel_stride, tiles, kStreamAhead, sums);
  }
};

// Nibbles are small enough for VPMADDUBSW, and for sums of 16 bits over half of a tile:
// 8 lines x 2 products x 15 x 127 = 30480.
struct OpInt4 : OpInteger {
  static constexpr std::int64_t kStoredTileBytes = kTileBytes / 2;
  static constexpr std::int64_t kQuantTiles = kInt4QuantTiles;
  static constexpr std::int32_t kOffset = 8;
  static constexpr int kPairs = kTileLines / 2;  // a stored line is two lines of weights

  static __m256i Nibbles(__m256i bytes, int half) {
    const __m256i shifted = half == 0 ? bytes : _mm256_srli_epi16(bytes, 4);
    return _mm256_and_si256(shifted, _mm256_set1_epi8(0x0f));
  }

  template <int kRows, int kPanels>
  static inline void Tiles(const std::byte* x, std::int64_t x_line, const std::byte* w,
                           std::int64_t panel_stride, std::int64_t tiles, NextPanels next,
                           Acc (&sums)[kRows][kPanels]) {
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      for (int first = 0; first < kPairs; first += kPairs / 2) {
        Acc words[kRows][kPanels];
        for (auto& words_of_row : words)
          for (auto& word : words_of_row) word = Zero();
        for (int pair = first; pair < first + kPairs / 2; ++pair) {
          if constexpr (kRows > kStreamRows) next.Fetch<kPanels>(w, panel_stride, pair);
          for (int p = 0; p < kPanels; ++p) {
            const std::byte* at = w + p * panel_stride + pair * kLineBytes;
            if constexpr (kRows <= kStreamRows) Prefetch(at);
            const __m256i low = Eight(at), high = Eight(at + 32);
            for (int half = 0; half < 2; ++half)
              for (int r = 0; r < kRows; ++r) {
                const std::byte* four = x + r * kLineBytes + (2 * pair + half) * 4;
                AddWords(words[r][p], Nibbles(low, half), Nibbles(high, half),
                         _mm256_set1_epi32(Word(four)));
              }
          }
        }
        for (int r = 0; r < kRows; ++r)
          for (int p = 0; p < kPanels; ++p)
            Madd(sums[r][p], words[r][p].low, words[r][p].high, _mm256_set1_epi16(1));
      }
      w += kStoredTileBytes;
      x += x_line;
    }
  }

 private:
  static void AddWords(Acc& words, __m256i low, __m256i high, __m256i x) {
    words.low = _mm256_add_epi16(words.low, _mm256_maddubs_epi16(low, x));
    words.high = _mm256_add_epi16(words.high, _mm256_maddubs_epi16(high, x));
  }
};

// A piece of rows, widened once for all panels, not as often as they are multiplied.
struct WideBf16 {
  template <int kRows, int kPanels>
  static void Run(const TileProduct& a, std::int64_t block, std::int64_t row, std::int64_t,
                  NextPanels) {
    constexpr std::int64_t kTiles = 8;
    const std::int64_t x_line = a.block_rows * kLineBytes;
    const std::byte* x = a.rows + block * a.block_stride + row * kLineBytes;
    const std::byte* w = a.panels;
    float* c = a.c + block * a.c_block_stride + row * kPanelOutputs;
    for (std::int64_t tile = 0; tile < a.tiles; tile += kTiles) {
      const std::int64_t tiles = a.tiles - tile < kTiles ? a.tiles - tile : kTiles;
      const WideRows<OpBf16, kRows, kTiles> rows(x, x_line, tiles);
      for (std::int64_t panel = 0; panel < a.panel_count; ++panel) {
        float* to = c + panel * a.c_panel_stride;
        OpBf16::Acc sums[kRows][1];
        for (int r = 0; r < kRows; ++r)
          sums[r][0] = a.start == Start::kZero && tile == 0 ? OpBf16::Zero()
                                                            : OpBf16::Load(to + r * kPanelOutputs);
        rows.Multiply(w + panel * a.panel_stride, a.panel_stride, tiles, a.panel_stride, sums);
        for (int r = 0; r < kRows; ++r) OpBf16::Save(sums[r][0], to + r * kPanelOutputs);
      }
      x += kTiles * x_line;
      w += kTiles * kTileBytes;
    }
  }
};

constexpr int kMostWideRows = 6;

void ProductBf16(const TileProduct& a) {
  if (a.block_rows <= kStreamRows) return WalkRows<Floats<OpBf16>, kMostWideRows, 1>(a);
  const Pieces pieces = PiecesOf<kMostWideRows>(a);
  for (std::int64_t block = 0; block < a.blocks; ++block)
    for (std::int64_t piece = 0; piece < pieces.count; ++piece)
      WalkPiece<WideBf16, kMostWideRows, 1>(a, block, pieces.begin(piece), pieces.size(piece), 0,
                                            {});
}

constexpr Product* kProducts[] = {&WalkRows<Floats<OpF32>, 6, 1>, &ProductBf16,
                                  &WalkRows<Integers<OpInt8Tiles>, 4, 1>,
                                  &WalkRows<Integers<OpInt4>, 4, 1>};

}  // namespace

#include "layers/kernels/cpu/isa/table.inc"
}  // namespace lockstep::cpu::avx2
