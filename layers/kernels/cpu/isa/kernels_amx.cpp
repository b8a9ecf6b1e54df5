#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <type_traits>

#include "layers/kernels/cpu/kernels.h"

// Tile registers: TDPBF16PS and TDPBSUD multiply a whole block of rows with a tile of weights.
// Four tiles of sums: two blocks of rows by two panels, or one block by four panels.
namespace lockstep::cpu::amx {
#include "layers/kernels/cpu/isa/lanes.inc"

namespace {

struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t column_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// Tiles 0-3 hold sums, 4 and 5 rows, 6 and 7 weights. With one block of rows 5 holds weights too.
// The intrinsics write the number into the instruction's text: hence macros.
#define LOCKSTEP_ROWS0 4
#define LOCKSTEP_ROWS1 5
#define LOCKSTEP_WEIGHTS0 6
#define LOCKSTEP_WEIGHTS1 7
#define LOCKSTEP_WEIGHTS2 5

// GCC's tile intrinsics do not say which memory they read: what was stored must not linger.
inline void Publish() { asm volatile("" ::: "memory"); }

// Which shape this thread's tiles have; loading a configuration clears them and takes long.
thread_local std::int64_t t_rows = 0;
thread_local std::int64_t t_blocks = 0;

void Configure(std::int64_t rows, std::int64_t blocks) {
  if (t_rows == rows && t_blocks == blocks) return;
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    const bool weights = tile >= LOCKSTEP_WEIGHTS0 || (tile == LOCKSTEP_WEIGHTS2 && blocks == 1);
    config.column_bytes[tile] = kLineBytes;
    config.rows[tile] = weights ? kTileLines : static_cast<std::uint8_t>(rows);
  }
  Publish();
  _tile_loadconfig(&config);
  t_rows = rows;
  t_blocks = blocks;
}

// kFetchedLines: of each panel, so many lines are fetched ahead with every tile that is multiplied;
// what is left of a quantisation block, while its sums are scaled.
struct Bf16 {
  static constexpr std::int64_t kStoredTileBytes = kTileBytes;
  static constexpr int kFetchedLines = 16;
};
struct Int8 {
  static constexpr std::int64_t kStoredTileBytes = kTileBytes;
  static constexpr std::int64_t kQuantTiles = kInt8QuantTiles;
  static constexpr int kFetchedLines = 12;
  static constexpr std::int32_t kOffset = 128;
};
struct Int4 {
  static constexpr std::int64_t kStoredTileBytes = kTileBytes / 2;
  static constexpr std::int64_t kQuantTiles = kInt4QuantTiles;
  static constexpr int kFetchedLines = 4;
  static constexpr std::int32_t kOffset = 8;
};

#define LOCKSTEP_TILE_MADD(Type, sums, rows, weights) \
  do {                                                \
    if constexpr (std::is_same_v<Type, Bf16>) {       \
      _tile_dpbf16ps(sums, rows, weights);            \
    } else {                                          \
      _tile_dpbsud(sums, rows, weights);              \
    }                                                 \
  } while (false)

// A tile of int4 weights as int8, in memory that stays in the first-level cache.
inline void Unpack(const std::byte* packed, std::byte* tile) {
  const __m512i mask = _mm512_set1_epi8(0x0f);
  for (int pair = 0; pair < kTileLines / 2; ++pair) {
    const __m512i bytes = _mm512_loadu_si512(packed + pair * kLineBytes);
    _mm512_store_si512(tile + 2 * pair * kLineBytes, _mm512_and_si512(bytes, mask));
    _mm512_store_si512(tile + (2 * pair + 1) * kLineBytes,
                       _mm512_and_si512(_mm512_srli_epi16(bytes, 4), mask));
  }
  Publish();
}

#define LOCKSTEP_LOAD_WEIGHTS(Type, tile, pointer, slot)          \
  do {                                                            \
    if constexpr (std::is_same_v<Type, Int4>) {                   \
      Unpack(pointer, scratch + (slot)*kTileBytes);               \
      _tile_loadd(tile, scratch + (slot)*kTileBytes, kLineBytes); \
    } else {                                                      \
      _tile_loadd(tile, pointer, kLineBytes);                     \
    }                                                             \
  } while (false)

// Where a product is, and what it fetches next, kAheadTiles ahead. Behind the end of panels that it
// takes whole come the next ones.
struct Pointers {
  const std::byte* rows0;
  const std::byte* rows1;
  std::int64_t row_tile;     // bytes
  const std::byte* weights;  // of the first panel, as is `fetched`
  std::int64_t panel_stride;
  std::int64_t tiles;
  const std::byte* fetched;
  const std::byte* panel_end;
  std::int64_t to_next_panels;

  void HaveFetched(std::int64_t lines) {
    fetched += lines * kLineBytes;
    if (fetched < panel_end) return;
    fetched += to_next_panels;
    to_next_panels = 0;
  }
};
constexpr std::int64_t kAheadTiles = 2;

template <class Type, int kPanels>
inline Pointers PointersOf(const TileProduct& a, std::int64_t panel) {
  const std::byte* weights = a.panels + panel * a.panel_stride;
  const bool whole = a.tiles * Type::kStoredTileBytes == a.panel_stride;
  return {.rows0 = a.rows,
          .rows1 = a.rows + a.block_stride,
          .row_tile = a.block_rows * kLineBytes,
          .weights = weights,
          .panel_stride = a.panel_stride,
          .tiles = a.tiles,
          .fetched = weights + kAheadTiles * Type::kStoredTileBytes,
          .panel_end = weights + a.panel_stride,
          .to_next_panels = whole ? (kPanels - 1) * a.panel_stride : 0};
}

// Brings weights nearer that are wanted soon: tile loads do not run ahead by themselves. A few
// lines at a time between other instructions: as a burst they would hold these up, and the memory
// would rest meanwhile.
template <int kLines>
inline void FetchLines(const std::byte* at) {
#pragma GCC unroll 16
  for (int line = 0; line < kLines; ++line) _mm_prefetch(at + line * kLineBytes, _MM_HINT_T0);
}

template <class Type, int kPanels>
inline void TwoBlocks(Pointers& p) {
  [[maybe_unused]] alignas(64) std::byte scratch[std::is_same_v<Type, Int4> ? 2 * kTileBytes : 1];
  constexpr int kLines = Type::kFetchedLines / 2;
  for (std::int64_t tile = 0; tile < p.tiles; ++tile) {
    FetchLines<kLines>(p.fetched);
    _tile_loadd(LOCKSTEP_ROWS0, p.rows0, kLineBytes);
    LOCKSTEP_LOAD_WEIGHTS(Type, LOCKSTEP_WEIGHTS0, p.weights, 0);
    _tile_loadd(LOCKSTEP_ROWS1, p.rows1, kLineBytes);
    LOCKSTEP_TILE_MADD(Type, 0, LOCKSTEP_ROWS0, LOCKSTEP_WEIGHTS0);
    FetchLines<kLines>(p.fetched + kLines * kLineBytes);
    LOCKSTEP_TILE_MADD(Type, 2, LOCKSTEP_ROWS1, LOCKSTEP_WEIGHTS0);
    if constexpr (kPanels == 2) {
      FetchLines<kLines>(p.fetched + p.panel_stride);
      LOCKSTEP_LOAD_WEIGHTS(Type, LOCKSTEP_WEIGHTS1, p.weights + p.panel_stride, 1);
      LOCKSTEP_TILE_MADD(Type, 1, LOCKSTEP_ROWS0, LOCKSTEP_WEIGHTS1);
      FetchLines<kLines>(p.fetched + p.panel_stride + kLines * kLineBytes);
      LOCKSTEP_TILE_MADD(Type, 3, LOCKSTEP_ROWS1, LOCKSTEP_WEIGHTS1);
    }
    p.weights += Type::kStoredTileBytes;
    p.HaveFetched(Type::kFetchedLines);
    p.rows0 += p.row_tile;
    p.rows1 += p.row_tile;
  }
}

template <class Type, int kPanels>
inline void OneBlock(Pointers& p) {
  [[maybe_unused]] alignas(64) std::byte scratch[std::is_same_v<Type, Int4> ? 4 * kTileBytes : 1];
  constexpr int kLines = Type::kFetchedLines;
  for (std::int64_t tile = 0; tile < p.tiles; ++tile) {
    const std::byte* w = p.weights;
    _tile_loadd(LOCKSTEP_ROWS0, p.rows0, kLineBytes);
    LOCKSTEP_LOAD_WEIGHTS(Type, LOCKSTEP_WEIGHTS0, w, 0);
    FetchLines<kLines>(p.fetched);
    LOCKSTEP_TILE_MADD(Type, 0, LOCKSTEP_ROWS0, LOCKSTEP_WEIGHTS0);
    if constexpr (kPanels >= 2) {
      LOCKSTEP_LOAD_WEIGHTS(Type, LOCKSTEP_WEIGHTS1, w + p.panel_stride, 1);
      FetchLines<kLines>(p.fetched + p.panel_stride);
      LOCKSTEP_TILE_MADD(Type, 1, LOCKSTEP_ROWS0, LOCKSTEP_WEIGHTS1);
    }
    if constexpr (kPanels == 4) {
      LOCKSTEP_LOAD_WEIGHTS(Type, LOCKSTEP_WEIGHTS2, w + 2 * p.panel_stride, 2);
      FetchLines<kLines>(p.fetched + 2 * p.panel_stride);
      LOCKSTEP_TILE_MADD(Type, 2, LOCKSTEP_ROWS0, LOCKSTEP_WEIGHTS2);
      LOCKSTEP_LOAD_WEIGHTS(Type, LOCKSTEP_WEIGHTS0, w + 3 * p.panel_stride, 3);
      FetchLines<kLines>(p.fetched + 3 * p.panel_stride);
      LOCKSTEP_TILE_MADD(Type, 3, LOCKSTEP_ROWS0, LOCKSTEP_WEIGHTS0);
    }
    p.weights += Type::kStoredTileBytes;
    p.HaveFetched(kLines);
    p.rows0 += p.row_tile;
  }
}

template <int kBlocks, int kPanels>
inline void LoadSums(const float* c, std::int64_t block, std::int64_t panel) {
  _tile_loadd(0, c, kLineBytes);
  if constexpr (kPanels >= 2) _tile_loadd(1, c + panel, kLineBytes);
  if constexpr (kBlocks == 2) _tile_loadd(2, c + block, kLineBytes);
  if constexpr (kBlocks == 2 && kPanels == 2) _tile_loadd(3, c + block + panel, kLineBytes);
  if constexpr (kPanels == 4) {
    _tile_loadd(2, c + 2 * panel, kLineBytes);
    _tile_loadd(3, c + 3 * panel, kLineBytes);
  }
}

template <int kBlocks, int kPanels>
inline void SaveSums(void* base, std::int64_t block, std::int64_t panel) {
  auto* c = static_cast<float*>(base);
  _tile_stored(0, c, kLineBytes);
  if constexpr (kPanels >= 2) _tile_stored(1, c + panel, kLineBytes);
  if constexpr (kBlocks == 2) _tile_stored(2, c + block, kLineBytes);
  if constexpr (kBlocks == 2 && kPanels == 2) _tile_stored(3, c + block + panel, kLineBytes);
  if constexpr (kPanels == 4) {
    _tile_stored(2, c + 2 * panel, kLineBytes);
    _tile_stored(3, c + 3 * panel, kLineBytes);
  }
}

inline void ZeroSums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

template <class Type, int kBlocks, int kPanels>
inline void Multiply(Pointers& p) {
  if constexpr (kBlocks == 2) {
    TwoBlocks<Type, kPanels>(p);
  } else {
    OneBlock<Type, kPanels>(p);
  }
}

template <int kBlocks, int kPanels>
void RunBf16(const TileProduct& a, std::int64_t panel) {
  float* c = a.c + panel * a.c_panel_stride;
  if (a.start == Start::kZero) {
    ZeroSums();
  } else {
    LoadSums<kBlocks, kPanels>(c, a.c_block_stride, a.c_panel_stride);
  }
  Pointers p = PointersOf<Bf16, kPanels>(a, panel);
  Multiply<Bf16, kBlocks, kPanels>(p);
  SaveSums<kBlocks, kPanels>(c, a.c_block_stride, a.c_panel_stride);
}

// One panel's integer sums of one block of rows, scaled and added to c. The same arithmetic as
// QuantProductOf in product.inc: the bits are those of the other instruction sets.
inline void AddScaled(const std::int32_t* sums, const TileProduct& a, std::int64_t scale_at,
                      std::int32_t offset, Lanes weight_scale, Start start, float* c) {
  for (std::int64_t row = 0; row < a.block_rows; ++row) {
    const std::int32_t shift = a.row_sums[scale_at + row] * offset;
    const auto ints = (LaneInts)_mm512_loadu_si512(sums + row * kPanelOutputs) - shift;
    const Lanes value = ToFloats(ints) * (weight_scale * a.row_scales[scale_at + row]);
    float* out = c + row * kPanelOutputs;
    Save(start == Start::kZero ? value : Load(out) + value, out);
  }
}

template <class Type, int kBlocks, int kPanels>
void RunQuantised(const TileProduct& a, std::int64_t panel) {
  alignas(64) std::int32_t sums[4 * kBlockRows * kPanelOutputs];
  constexpr std::int64_t kPanelInts = kBlockRows * kPanelOutputs;
  constexpr std::int64_t kBlockInts = kPanels * kPanelInts;
  constexpr std::int64_t kRestLines =
      Type::kQuantTiles * (Type::kStoredTileBytes / kLineBytes - Type::kFetchedLines);
  Pointers p = PointersOf<Type, kPanels>(a, panel);
  const std::uint16_t* scales = a.weight_scales + panel * a.weight_scale_stride;
  std::int64_t scale_at = 0;
  Start start = a.start;
  for (std::int64_t tile = 0; tile < a.tiles; tile += Type::kQuantTiles) {
    p.tiles = a.tiles - tile < Type::kQuantTiles ? a.tiles - tile : Type::kQuantTiles;
    ZeroSums();
    Multiply<Type, kBlocks, kPanels>(p);
    SaveSums<kBlocks, kPanels>(sums, kBlockInts, kPanelInts);
    for (int n = 0; n < kPanels; ++n) {
      const Lanes scale = LoadBf16(scales + n * a.weight_scale_stride);
      for (int block = 0; block < kBlocks; ++block) {
        FetchLines<kRestLines / kBlocks>(p.fetched + n * a.panel_stride +
                                         block * (kRestLines / kBlocks) * kLineBytes);
        AddScaled(sums + block * kBlockInts + n * kPanelInts, a,
                  scale_at + block * a.scale_block_stride, Type::kOffset, scale, start,
                  a.c + block * a.c_block_stride + (panel + n) * a.c_panel_stride);
      }
    }
    p.HaveFetched(kRestLines);
    scales += kPanelOutputs;
    scale_at += a.block_rows;
    start = Start::kContinue;
  }
}

template <class Type, int kBlocks, int kPanels>
void Run(const TileProduct& a, std::int64_t panel) {
  if constexpr (std::is_same_v<Type, Bf16>) {
    RunBf16<kBlocks, kPanels>(a, panel);
  } else {
    RunQuantised<Type, kBlocks, kPanels>(a, panel);
  }
}

template <class Type>
void Product(const TileProduct& a) {
  Configure(a.block_rows, a.blocks);
  std::int64_t panel = 0;
  if (a.blocks == 2) {
    for (; panel + 2 <= a.panel_count; panel += 2) Run<Type, 2, 2>(a, panel);
    for (; panel < a.panel_count; ++panel) Run<Type, 2, 1>(a, panel);
    return;
  }
  for (; panel + 4 <= a.panel_count; panel += 4) Run<Type, 1, 4>(a, panel);
  for (; panel < a.panel_count; ++panel) Run<Type, 1, 1>(a, panel);
}

#include "layers/kernels/cpu/isa/amx_few_rows.inc"

constexpr std::int64_t kFewRows = 4;

bool FewRows(const TileProduct& a) { return a.blocks == 1 && a.block_rows <= kFewRows; }

}  // namespace

bool Enable() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

void ProductBf16(const TileProduct& product) {
  if (!FewRows(product)) return Product<Bf16>(product);
  constexpr unsigned kFlushSubnormals = 0x8040;  // as the tile instructions do
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | kFlushSubnormals);
  switch (product.block_rows) {
    case 1: WalkFewRows<1, 8>(product); break;
    case 2: WalkFewRows<2, 4>(product); break;
    case 3: WalkFewRows<3, 2>(product); break;
    default: WalkFewRows<4, 2>(product); break;
  }
  _mm_setcsr(before);
}

// Integer sums have the same bits either way. With few rows the tiles' way through memory, from
// the integer sums to the scaled ones, costs more than their multiplications save.
void ProductInt8(const TileProduct& product) {
  if (FewRows(product)) return avx512::kKernels.product_int8(product);
  Product<Int8>(product);
}

void ProductInt4(const TileProduct& product) {
  if (FewRows(product)) return avx512::kKernels.product_int4(product);
  Product<Int4>(product);
}

}  // namespace lockstep::cpu::amx
