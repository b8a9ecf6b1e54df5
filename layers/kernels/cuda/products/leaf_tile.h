#pragma once

// How a block of LeafProduct() walks over its tile of outputs and rows: a stage of inputs at a time
// is copied to shared memory, several ahead, and multiplied from there.
//
// The order of a chain is that of the steps: 32 inputs by two multiplications of the tensor cores
// (tensor_core.h), of which lane 4 g + t brings inputs [8 t, 8 t + 8), four to each. Which of them
// is which in a multiplication is free as long as both sides agree, and so a lane takes 16 bytes as
// they lie. Of fp8 one multiplication takes all 32. No tile cuts a chain, so all tiles have the
// same.

#include <type_traits>

#include "layers/kernels/cuda/kernels/tensor_core.h"
#include "layers/kernels/cuda/products/few_rows.h"
#include "layers/kernels/cuda/products/int4.h"
#include "layers/kernels/cuda/products/int8.h"
#include "layers/kernels/cuda/products/leaf_product.h"

namespace lockstep::cuda {

constexpr int kStepInputs = 32;
constexpr int kStageSteps = 2;
constexpr int kStageInputs = kStageSteps * kStepInputs;
static_assert(kLeafGroupInputs % kStageInputs == 0 && kFp8RowInputs % kStageInputs == 0 &&
                  kInt4BlockInputs == kStageInputs,
              "a stage has one scale");

// Weights W: T, std::int8_t, Int4Block or Fp8. The inputs that share a scale; 0: there are no
// scales.
template <typename W>
constexpr int kGroupInputs = 0;
template <>
constexpr int kGroupInputs<std::int8_t> = kLeafGroupInputs;
template <>
constexpr int kGroupInputs<Int4Block> = kInt4BlockInputs;
template <>
constexpr int kGroupInputs<Fp8> = kFp8RowInputs;
// What rows are kept in.
template <typename T, typename W>
using RowsBeside = std::conditional_t<std::is_same_v<W, Fp8>, Fp8, T>;
// A stage's bytes of sixteen outputs.
template <typename W>
constexpr int kSixteenBytes = 16 * kStageInputs* static_cast<int>(sizeof(W));
template <>
constexpr int kSixteenBytes<Int4Block> = static_cast<int>(sizeof(Int4Block));

// A tile by how many warps it has along outputs and rows, and what each of them has: outputs in
// sixteens, rows in eights. And how many blocks of it are to fit on a multiprocessor: told so, the
// compiler takes the registers that this leaves.
template <int kWarpsOfOutputs_, int kWarpsOfRows_, int kSixteens_, int kEights_, int kBlocks_>
struct LeafTile {
  static constexpr int kBlocksPerSm = kBlocks_;
  static constexpr int kWarpsOfOutputs = kWarpsOfOutputs_;
  static constexpr int kSixteens = kSixteens_;
  static constexpr int kEights = kEights_;
  static constexpr int kThreads = kWarpsOfOutputs_ * kWarpsOfRows_ * kWarp;
  static constexpr int kOutputs = kWarpsOfOutputs_ * kSixteens_ * 16;
  static constexpr int kRows = kWarpsOfRows_ * kEights_ * 8;
  static constexpr int kSums = kSixteens_ * kEights_ * 4;  // of a thread
  static constexpr std::int64_t kElements = std::int64_t{kOutputs} * kRows;
};

// Bound by reading weights, up to 8 and up to 32 rows; and by multiplying.
using TileOf8Rows = LeafTile<4, 1, 1, 1, 5>;
using TileOf32Rows = LeafTile<4, 1, 1, 4, 3>;
using TileOf64Rows = LeafTile<2, 2, 2, 4, 2>;
using TileOfManyRows = LeafTile<4, 2, 2, 4, 1>;
// TileOf32Rows for fp8, which Hopper widens first: with registers for two blocks none is spilled.
using TileOf32RowsOfFp8 = LeafTile<4, 1, 1, 4, 2>;
// More than 32 rows and weights with scales, which have a second set of sums: half as many a
// thread.
using TileOfFewerBits = LeafTile<4, 2, 1, 4, 1>;

// A thread's sums: [sixteen, eight, as a multiplication leaves them].
template <typename Tile>
using LeafSums = float[Tile::kSixteens][Tile::kEights][4];

// A stage in shared memory: of each step the weights' lines, or their blocks, then the rows' lines.
template <typename Tile, typename W>
struct LeafStage {
  static constexpr int kWeightBytes = Tile::kOutputs / 16 * kSixteenBytes<W>;
  static constexpr int kBytes =
      kWeightBytes + Tile::kRows * kStageInputs * static_cast<int>(sizeof(RowsBeside<BF16, W>));
  static constexpr int kStages = 4;
  static constexpr int kSharedBytes = kStages * kBytes;
};

// The byte where a line's inputs of a step lie. Lines of the second step change places in pairs, so
// that the two halves of a line, which are copied together, lie in different banks.
template <int kLines, typename E>
__device__ __forceinline__ int PlaceOfLine(int step, int line) {
  return (step * kLines + (line ^ step)) * kStepInputs * static_cast<int>(sizeof(E));
}

// The lines of a matrix [any, pitch] that a stage takes its inputs from.
template <typename E>
struct Lines {
  const E* first;
  std::int64_t pitch;
  int count;  // that exist; further ones are zeros
};

// Copies inputs [at, at + kStageInputs); those at `end` and beyond are zeros.
template <Access kAccess, int kLines, int kThreads, typename E>
__device__ __forceinline__ void CopyLines(const Lines<E>& lines, int at, int end,
                                          unsigned char* to) {
  constexpr int kPer = kChunk<E>;
  constexpr int kCopies = kStageInputs / kPer;  // of a line
#pragma unroll 1  // addresses of several copies would take the registers that sums need
  for (int i = static_cast<int>(threadIdx.x); i < kLines * kCopies; i += kThreads) {
    const int line = i / kCopies, input = i % kCopies * kPer, left = end - at - input;
    const bool exists = line < lines.count && left > 0;
    const E* from = lines.first + (exists ? line * lines.pitch + at + input : 0);
    unsigned char* target = to + PlaceOfLine<kLines, E>(input / kStepInputs, line) +
                            input % kStepInputs * static_cast<int>(sizeof(E));
    if constexpr (kAccess == Access::kVectors)
      CopyAsync(target, from, exists ? 16 : 0);
    else
      *reinterpret_cast<uint4*>(target) = LoadChunk<kAccess>(from, exists ? left : 0);
  }
}

// The blocks of 4 bits that a stage takes, each `pitch` behind the one before.
struct Int4Blocks {
  const Int4Block* first;
  std::int64_t pitch;
  int outputs;  // that exist; further ones are zeros
};

template <int kOutputs, int kThreads>
__device__ __forceinline__ void CopyBlocks(const Int4Blocks& blocks, unsigned char* to) {
  constexpr int kCopies = kSixteenBytes<Int4Block> / 16;  // of a block
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kOutputs / 16 * kCopies; i += kThreads) {
    const int sixteen = i / kCopies;
    const bool exists = 16 * sixteen < blocks.outputs;
    const Int4Block* from = blocks.first + (exists ? sixteen * blocks.pitch : 0);
    CopyAsync(to + 16 * i, reinterpret_cast<const uint4*>(from) + i % kCopies, exists ? 16 : 0);
  }
}

// Four words: the eight inputs that a lane brings of a line in a step, as T. Of fp8 two words.
struct EightInputs {
  unsigned words[4];
};

template <typename T, int kLines, typename E>
__device__ __forceinline__ EightInputs LoadEight(const unsigned char* lines, int step, int line) {
  const int lane = static_cast<int>(threadIdx.x) % 4;
  const unsigned char* from =
      lines + PlaceOfLine<kLines, E>(step, line) + lane * 8 * static_cast<int>(sizeof(E));
  if constexpr (sizeof(E) == 2) {
    const uint4 raw = *reinterpret_cast<const uint4*>(from);
    return {{raw.x, raw.y, raw.z, raw.w}};
  } else {
    const uint2 raw = *reinterpret_cast<const uint2*>(from);
    if constexpr (std::is_same_v<E, Fp8>) {
      return {{raw.x, raw.y}};
    } else {
      float values[8];
      BytesToFloats(raw.x, values);
      BytesToFloats(raw.y, values + 4);
      return {{PackPair<T>(values[0], values[1]), PackPair<T>(values[2], values[3]),
               PackPair<T>(values[4], values[5]), PackPair<T>(values[6], values[7])}};
    }
  }
}

template <typename T>
__device__ __forceinline__ EightInputs WidenEight(unsigned word) {
  return {{Int4Pair<T>(word, 0), Int4Pair<T>(word, 1), Int4Pair<T>(word, 2), Int4Pair<T>(word, 3)}};
}

// What a lane brings of sixteen outputs in a step: of its output, and of the one eight behind it.
struct SixteenOutputs {
  EightInputs low, high;
};

// The sixteen from `output` of the tile on.
template <typename T, typename W, typename Tile>
__device__ __forceinline__ SixteenOutputs LoadSixteen(const unsigned char* stage, int step,
                                                      int output) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if constexpr (std::is_same_v<W, Int4Block>) {
    const auto& block = reinterpret_cast<const Int4Block*>(stage)[output / 16];
    const uint4 raw = *reinterpret_cast<const uint4*>(block.words[lane]);
    return {WidenEight<T>(step == 0 ? raw.x : raw.z), WidenEight<T>(step == 0 ? raw.y : raw.w)};
  } else {
    const int own = output + lane / 4;
    return {LoadEight<T, Tile::kOutputs, W>(stage, step, own),
            LoadEight<T, Tile::kOutputs, W>(stage, step, own + 8)};
  }
}

// Where a thread's sums belong. Outputs and rows are counted within the tile.
template <typename Tile>
struct WarpPlace {
  int output;        // the warp's first
  int row;           // likewise
  int outputs_left;  // of the product, from the tile's first
  int rows_left;

  __device__ __forceinline__ explicit WarpPlace(const LeafProductArgs& args) {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    output = warp % Tile::kWarpsOfOutputs * Tile::kSixteens * 16;
    row = warp / Tile::kWarpsOfOutputs * Tile::kEights * 8;
    outputs_left = static_cast<int>(args.outputs - std::int64_t{blockIdx.x} * Tile::kOutputs);
    rows_left = static_cast<int>(args.rows - std::int64_t{blockIdx.y} * Tile::kRows);
  }
  // Whether there is anything to multiply: whole warps decide.
  __device__ __forceinline__ bool HasSixteen(int i) const { return output + 16 * i < outputs_left; }
  __device__ __forceinline__ bool HasEight(int i) const { return row + 8 * i < rows_left; }
};

// sums += the stage's products, of its first `inputs` inputs.
template <typename T, typename W, typename Tile>
__device__ __forceinline__ void MultiplyStage(const unsigned char* stage, int inputs,
                                              const WarpPlace<Tile>& place, LeafSums<Tile>& sums) {
  using Rows = RowsBeside<T, W>;
  constexpr int kMultiplications = static_cast<int>(sizeof(Rows));  // of a step
  const unsigned char* rows = stage + LeafStage<Tile, W>::kWeightBytes;
  const int line = static_cast<int>(threadIdx.x) % kWarp / 4;
#pragma unroll
  for (int step = 0; step < kStageSteps; ++step) {
    if (step * kStepInputs >= inputs) break;
    SixteenOutputs w[Tile::kSixteens];
#pragma unroll
    for (int m = 0; m < Tile::kSixteens; ++m)
      w[m] = LoadSixteen<T, W, Tile>(stage, step, place.output + 16 * m);
#pragma unroll
    for (int n = 0; n < Tile::kEights; ++n) {
      if (!place.HasEight(n)) continue;
      const EightInputs x = LoadEight<T, Tile::kRows, Rows>(rows, step, place.row + 8 * n + line);
#pragma unroll
      for (int half = 0; half < kMultiplications; ++half)
#pragma unroll
        for (int m = 0; m < Tile::kSixteens; ++m) {
          if (!place.HasSixteen(m)) continue;
          const unsigned a[4] = {w[m].low.words[2 * half], w[m].high.words[2 * half],
                                 w[m].low.words[2 * half + 1], w[m].high.words[2 * half + 1]};
          const unsigned b[2] = {x.words[2 * half], x.words[2 * half + 1]};
          MultiplyAdd<Rows>(a, b, sums[m][n]);
        }
    }
  }
}

// each(m, n, i) of every sum of a thread, all at compile time: they lie in registers.
template <typename Tile, typename Each>
__device__ __forceinline__ void ForSums(const Each& each) {
#pragma unroll
  for (int m = 0; m < Tile::kSixteens; ++m)
#pragma unroll
    for (int n = 0; n < Tile::kEights; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) each(m, n, i);
}

template <typename Tile>
__device__ __forceinline__ void SetToZero(LeafSums<Tile>& sums) {
  ForSums<Tile>([&sums](int m, int n, int i) { sums[m][n][i] = 0.0f; });
}

// Adds sums that come one after the other as a balanced binary tree: as in a binary counter, those
// that stand for equally many are added at once.
template <typename Tile, int kLevels>
struct LeafTree {
  LeafSums<Tile> waiting[kLevels];

  // `index`: 0, 1, ... After 2^k of them `sums` is their sum.
  __device__ __forceinline__ void Add(int index, LeafSums<Tile>& sums) {
#pragma unroll
    for (int level = 0; level < kLevels; ++level) {
      const bool is_second = (index >> level & 1) != 0;
      ForSums<Tile>([&](int m, int n, int i) {
        if (is_second)
          sums[m][n][i] = waiting[level][m][n][i] + sums[m][n][i];
        else
          waiting[level][m][n][i] = sums[m][n][i];
      });
      if (!is_second) return;
    }
  }
};

}  // namespace lockstep::cuda
