#pragma once

#include <cstddef>
#include <cstdint>

#include "layers/kernels/noise_ceiling.h"

// The inner loops of the CPU backend, compiled once for each instruction set: this table is all
// that the rest of the backend sees of them. The translation units behind it hold nothing else: an
// inline function of a common header compiled for AVX-512 could be the copy that the linker keeps
// for everybody.
//
// Matrices are cut into tiles of 16 lines of 64 bytes. A line holds, of 16 outputs, the weights of
// 1 (fp32), 2 (bf16) or 4 (int8) neighbouring inputs: what one multiply-add instruction takes from
// VDPBF16PS to AMX. A panel is the tiles of 16 outputs, one behind the other along the inputs. The
// rows that are multiplied with them are cut alike: a block of up to 16 rows is a sequence of
// tiles of [rows][64 bytes], so every instruction reads what lies before it.
//
// Bits: the sum of one row with one output runs through the inputs in their order, whatever the
// number of rows and panels of a call.
namespace lockstep::cpu {

constexpr std::int64_t kPanelOutputs = 16;
constexpr std::int64_t kBlockRows = 16;
constexpr std::int64_t kLineBytes = 64;
constexpr std::int64_t kTileLines = 16;
constexpr std::int64_t kTileBytes = kTileLines * kLineBytes;
// With so few rows the weights are a stream from memory, read once.
constexpr int kStreamRows = 2;

enum class Start : std::uint8_t { kZero, kContinue };

// c[block][panel] = (or +=) rows[block] x panels[panel], over `tiles` tiles of the inner dimension.
struct TileProduct {
  const std::byte* rows = nullptr;    // first tile of the first block
  std::int64_t block_stride = 0;      // bytes from one block of rows to the next
  std::int64_t blocks = 1;            // 1 or 2
  std::int64_t block_rows = 1;        // 1 to 16, of every block
  const std::byte* panels = nullptr;  // first tile of the first panel
  std::int64_t panel_stride = 0;      // bytes
  std::int64_t panel_count = 1;
  std::int64_t tiles = 0;
  float* c = nullptr;               // [blocks][panels][block_rows][16]
  std::int64_t c_block_stride = 0;  // floats
  std::int64_t c_panel_stride = 0;  // floats
  Start start = Start::kZero;
  bool fetches_ahead = false;  // panels come from memory: those that come next are fetched
  // int8 and int4 only. Weights are kept as unsigned numbers with an offset of 128 or 8, rows as
  // signed bytes; both are scaled per quantisation block (kQuantTiles tiles).
  const float* row_scales = nullptr;             // [quant block][block_rows]
  const std::int32_t* row_sums = nullptr;        // the same: the sum of the row's bytes
  std::int64_t scale_block_stride = 0;           // elements, from one block of rows to the next
  const std::uint16_t* weight_scales = nullptr;  // bf16 [quant block][16], of the first panel
  std::int64_t weight_scale_stride = 0;          // elements, panel to panel
};

using Product = void(const TileProduct&);

// Tiles of 64 inputs in one quantisation block.
constexpr std::int64_t kInt8QuantTiles = 4;
constexpr std::int64_t kInt4QuantTiles = 1;

// One row of up to 64-byte pieces: `count` floats go to pieces `stride` bytes apart; the last piece
// is filled up with zeros.
struct PackRow {
  const float* x = nullptr;
  std::int64_t count = 0;
  std::byte* out = nullptr;
  std::int64_t stride = 0;
  // int8: one scale and one sum per quant block, `scale_stride` elements apart.
  std::int64_t quant_tiles = 0;
  float* scales = nullptr;
  std::int32_t* sums = nullptr;
  std::int64_t scale_stride = 0;
};

// y = activation(c + bias), for one block of rows and neighbouring panels.
struct FinishTile {
  const float* c = nullptr;  // [panel][row][16], panels `c_panel_stride` floats apart
  std::int64_t c_panel_stride = 0;
  std::int64_t rows = 0;
  const float* bias = nullptr;  // up to the last panel's end, or null
  int activation = 0;           // Activation
  float* y = nullptr;           // [rows][outputs], rows `y_stride` floats apart
  std::int64_t y_stride = 0;
  std::int64_t outputs = 0;
};

struct ColumnStatistics {
  float max;
  std::int64_t argmax;
  double sum_exp;  // of exp(x - max); NaN when a number is not finite
};

// One step of the online softmax (Milakov and Gimelshein, arXiv:1805.02867) over a block of scores
// of one row: scores become exp(scale * score - max).
struct SoftmaxStep {
  const float* scores = nullptr;  // [panel][.][16]: panels `panel_stride` floats apart
  std::int64_t panel_stride = 0;
  std::int64_t panels = 0;
  std::int64_t visible = 0;  // positions of the block that the row may see; >= 0
  float scale = 1.0f;
  float* probabilities = nullptr;  // [16 * panels]
  float max = 0.0f;                // in: of the blocks before; out: with this block
  float sum = 0.0f;                // likewise, of the exponentials
  float correction = 1.0f;         // out: what earlier results must be multiplied with
};

// A look over columns of logits for those that can count: whose logit, or whose score in the race
// of layers/kernels/noise.h, may be at least so large.
struct LeaderScan {
  const float* x = nullptr;
  std::int64_t end = 0;
  float inverse_temperature = 1.0f;
  float least = 0.0f;
  std::uint32_t first_token = 0;  // the token of column 0
  std::uint32_t key_a = 0;
  std::uint32_t key_b = 0;
  std::uint64_t found = 0;  // out: bit i is column (result + i)
};

// Sums of exp((x - reference) * inverse_temperature) over what comes before each bound (larger, or
// as large and further left), and of all.
constexpr int kMassBounds = 8;
struct MassScan {
  const float* x = nullptr;
  std::int64_t columns = 0;
  float reference = 0.0f;
  float inverse_temperature = 1.0f;
  int bounds = 0;  // how many of the next ones count
  float bound_logits[kMassBounds] = {};
  std::int32_t bound_columns[kMassBounds] = {};
  double* sums = nullptr;  // [kMassBounds + 1]: of each bound, and last that of all
};

struct Kernels {
  const char* name;

  Product* product_f32;
  Product* product_bf16;
  Product* product_int8;
  Product* product_int4;

  void (*pack_f32)(const PackRow&);
  void (*pack_bf16)(const PackRow&);
  void (*pack_int8)(const PackRow&);
  // The same numbers as bf16, which holds all of them; count is a multiple of 16.
  void (*widen_int8)(const std::byte* x, std::int64_t count, std::byte* y);

  // Weights of 16 outputs and `tiles` * 64 inputs, x [inputs][16], into int8 or int4 tiles and one
  // bf16 scale for each quant block and output.
  void (*quantize_int8)(const float* x, std::int64_t tiles, std::byte* out, std::uint16_t* scales);
  void (*quantize_int4)(const float* x, std::int64_t tiles, std::byte* out, std::uint16_t* scales);

  void (*finish)(const FinishTile&);
  // y[i] = a[i] + b[i]; y may be a or b.
  void (*add)(const float* a, const float* b, std::int64_t count, float* y);
  // y[i] *= factor
  void (*scale)(float factor, std::int64_t count, float* y);
  void (*softmax)(SoftmaxStep&);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, std::int64_t width,
                     double epsilon, float* y);
  ColumnStatistics (*statistics)(const float* x, std::int64_t columns);
  // From this column on, the first of the next 64 among which there are some; at the end: none.
  std::int64_t (*scan_race)(LeaderScan& scan, std::int64_t begin);
  std::int64_t (*scan_logits)(LeaderScan& scan, std::int64_t begin);
  void (*masses)(const MassScan& scan);

  // Whether product_bf16 has instructions that multiply bf16; else it widens to fp32 first.
  bool multiplies_bf16 = false;
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
namespace avx512_bf16 {
void PackBf16(const PackRow& row);
void ProductBf16(const TileProduct& product);
}  // namespace avx512_bf16
namespace amx {
// Asks the system for the use of the tile registers; false when it refuses.
bool Enable();
void ProductBf16(const TileProduct& product);
void ProductInt8(const TileProduct& product);
void ProductInt4(const TileProduct& product);
}  // namespace amx

// The best set this processor has; LOCKSTEP_ISA=portable|avx2|avx512|avx512_bf16|amx asks for a
// lesser one.
const Kernels& SelectKernels();

}  // namespace lockstep::cpu
