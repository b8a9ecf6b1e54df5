// One kernel for all numbers of rows, by tiles of several sizes. What a tile is changes how often
// weights and rows are read, and no bit (leaf_tile.h).
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"
#include "layers/kernels/cuda/kernels/last_block.h"
#include "layers/kernels/cuda/products/leaf_tile.h"

namespace lockstep::cuda {
namespace {

constexpr int kLevels = 3;
static_assert(1 << kLevels == kMostLeaves);

// The stages of a block's leaves, one behind the other.
struct StageCursor {
  int leaf;
  int end_leaf;
  int part = 0;
  int at = 0;  // the stage's first input

  __device__ __forceinline__ StageCursor(const LeafProductArgs& args, int first, int end)
      : leaf(first), end_leaf(end), at(args.parts[0].leaves[first].begin) {
    PassEmptyRanges(args);
  }
  __device__ __forceinline__ bool done() const { return leaf >= end_leaf; }
  __device__ __forceinline__ void Next(const LeafProductArgs& args) {
    at += kStageInputs;
    PassEmptyRanges(args);
  }

 private:
  __device__ __forceinline__ void PassEmptyRanges(const LeafProductArgs& args) {
    while (!done() && at >= args.parts[part].leaves[leaf].end) {
      const bool has_second = part == 0 && args.parts[1].inputs > 0;
      part = has_second ? 1 : 0;
      if (!has_second) ++leaf;
      if (!done()) at = args.parts[part].leaves[leaf].begin;
    }
  }
};

// Copies stages ahead of their use.
template <Access kAccess, typename T, typename W, typename Tile>
struct StageCopies {
  const LeafProductArgs& args;
  const WarpPlace<Tile>& place;
  unsigned char* memory;

  __device__ __forceinline__ unsigned char* StageOf(int number) const {
    using Stage = LeafStage<Tile, W>;
    return memory + number % Stage::kStages * Stage::kBytes;
  }
  __device__ __forceinline__ void CopyWeights(const StageCursor& cursor, int number) const {
    if (cursor.done()) return;
    const LeafPart& part = args.parts[cursor.part];
    const InputRange leaf = part.leaves[cursor.leaf];
    const std::int64_t first = std::int64_t{blockIdx.x} * Tile::kOutputs;
    const W* weights = static_cast<const W*>(part.weight);
    if constexpr (std::is_same_v<W, Int4Block>) {
      const int group = part.first_group[cursor.leaf] + (cursor.at - leaf.begin) / kStageInputs;
      const Int4Blocks blocks{weights + first / 16 * part.groups + group, part.groups,
                              place.outputs_left};
      CopyBlocks<Tile::kOutputs, Tile::kThreads>(blocks, StageOf(number));
    } else {
      const Lines<W> lines{weights + first * part.inputs, part.inputs, place.outputs_left};
      CopyLines<kAccess, Tile::kOutputs, Tile::kThreads>(lines, cursor.at, leaf.end,
                                                         StageOf(number));
    }
  }
  // And makes a group of the stage's copies, whether there is such a stage or not.
  __device__ __forceinline__ void CopyRows(const StageCursor& cursor, int number) const {
    if (!cursor.done()) {
      const LeafPart& part = args.parts[cursor.part];
      using Rows = RowsBeside<T, W>;
      const Lines<Rows> lines{
          static_cast<const Rows*>(part.x) + std::int64_t{blockIdx.y} * Tile::kRows * part.inputs,
          part.inputs, place.rows_left};
      CopyLines<kAccess, Tile::kRows, Tile::kThreads>(
          lines, cursor.at, part.leaves[cursor.leaf].end,
          StageOf(number) + LeafStage<Tile, W>::kWeightBytes);
    }
    CommitCopies();
  }
};

// Which scales a stage's products have.
struct StageScales {
  const LeafPart& part;
  int leaf;
  int group;  // of all leaves'
  const unsigned char* stage;
};

// The scale of an output of the tile; of 4 bits it has come with the stage.
template <typename W, typename Tile>
__device__ __forceinline__ float ScaleOf(const StageScales& scales, int output,
                                         const WarpPlace<Tile>& place) {
  if constexpr (std::is_same_v<W, Int4Block>) {
    return Int4Scale(reinterpret_cast<const Int4Block*>(scales.stage)[output / 16], output % 16);
  } else {
    const LeafPart& part = scales.part;
    const std::int64_t first = std::int64_t{blockIdx.x} * Tile::kOutputs;
    const std::int64_t line = first + min(output, place.outputs_left - 1);
    if constexpr (std::is_same_v<W, Fp8>)
      return part.scales[scales.leaf * (first + place.outputs_left) + line];
    else
      return part.scales[line * part.groups + scales.group];
  }
}

// The scales of a lane's two rows of each eight: of fp8 alone.
template <typename W, typename Tile>
struct RowScales {
  __device__ __forceinline__ RowScales(const StageScales&, const WarpPlace<Tile>&) {}
  __device__ __forceinline__ float Times(float of_output, int, int) const { return of_output; }
};
template <typename Tile>
struct RowScales<Fp8, Tile> {
  float values[Tile::kEights][2];

  __device__ __forceinline__ RowScales(const StageScales& scales, const WarpPlace<Tile>& place) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
    for (int n = 0; n < Tile::kEights; ++n)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int row = min(place.row + 8 * n + lane % 4 * 2 + i, place.rows_left - 1);
        const std::int64_t line = std::int64_t{blockIdx.y} * Tile::kRows + row;
        values[n][i] = scales.part.x_scales[line * scales.part.groups + scales.group];
      }
  }
  __device__ __forceinline__ float Times(float of_output, int n, int i) const {
    return of_output * values[n][i % 2];
  }
};

// sums += the scales of each output, and of fp8 of each row, times the group's sums.
template <typename W, typename Tile>
__device__ __forceinline__ void AddScaled(const StageScales& scales, const WarpPlace<Tile>& place,
                                          const LeafSums<Tile>& of_group, LeafSums<Tile>& sums) {
  const RowScales<W, Tile> of_rows(scales, place);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int m = 0; m < Tile::kSixteens; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int output = place.output + 16 * m + 8 * half + lane / 4;
      const float of_output = ScaleOf<W, Tile>(scales, output, place);
#pragma unroll
      for (int n = 0; n < Tile::kEights; ++n)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i)
          sums[m][n][i] = fmaf(of_rows.Times(of_output, n, i), of_group[m][n][i], sums[m][n][i]);
    }
}

// sums += the stage's products, those of fewer bits when their group is complete.
template <typename T, typename W, typename Tile>
__device__ __forceinline__ void AddStage(const LeafPart& part, int leaf, int at,
                                         const unsigned char* stage, const WarpPlace<Tile>& place,
                                         LeafSums<Tile>& of_group, LeafSums<Tile>& sums) {
  const InputRange range = part.leaves[leaf];
  constexpr int kGroup = kGroupInputs<W>;
  if constexpr (kGroup == 0) {
    MultiplyStage<T, W, Tile>(stage, range.end - at, place, sums);
  } else {
    constexpr bool kIsGroup = kGroup == kStageInputs;
    const int from_begin = at - range.begin, next = from_begin + kStageInputs;
    if (kIsGroup || from_begin % kGroup == 0) SetToZero<Tile>(of_group);
    MultiplyStage<T, W, Tile>(stage, range.end - at, place, of_group);
    if (kIsGroup || next % kGroup == 0 || at + kStageInputs >= range.end)
      AddScaled<W, Tile>({part, leaf, part.first_group[leaf] + from_begin / kGroup, stage}, place,
                         of_group, sums);
  }
}

// The sum of the block's leaves, [first, first + count).
template <Access kAccess, typename T, typename W, typename Tile>
__device__ __forceinline__ void SumLeaves(const LeafProductArgs& args, int first, int count,
                                          const WarpPlace<Tile>& place, unsigned char* memory,
                                          LeafSums<Tile>& sums) {
  constexpr int kStages = LeafStage<Tile, W>::kStages;
  const StageCopies<kAccess, T, W, Tile> copies{args, place, memory};
  StageCursor weights(args, first, first + count), ahead = weights;
  // Nobody writes weights: they are on their way before what x comes from has ended.
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    copies.CopyWeights(weights, stage);
    weights.Next(args);
  }
  AwaitPriorKernels();
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    copies.CopyRows(ahead, stage);
    ahead.Next(args);
  }
  LeafTree<Tile, kLevels> tree;
  LeafSums<Tile> of_group;
  int stage = 0;
#pragma unroll 1
  for (int leaf = first; leaf < first + count; ++leaf) {
    SetToZero<Tile>(sums);
#pragma unroll 1
    for (int part = 0; part < 2; ++part) {
      if (args.parts[part].inputs == 0) continue;
      const InputRange range = args.parts[part].leaves[leaf];
#pragma unroll 1
      for (int at = range.begin; at < range.end; at += kStageInputs, ++stage) {
        AwaitCopies<kStages - 2>();
        __syncthreads();  // this stage is there, and every warp is through with the one before
        copies.CopyWeights(ahead, stage + kStages - 1);
        copies.CopyRows(ahead, stage + kStages - 1);
        ahead.Next(args);
        AddStage<T, W, Tile>(args.parts[part], leaf, at, copies.StageOf(stage), place, of_group,
                             sums);
      }
    }
    tree.Add(leaf - first, sums);
  }
}

// What a thread of a split's block leaves behind: [tile, split, sum, thread].
template <typename Tile>
__device__ __forceinline__ float* PartialOf(const LeafProductArgs& args, int tile, int split) {
  const int block = tile * static_cast<int>(gridDim.z) + split;
  return args.partial + block * Tile::kElements + threadIdx.x;
}

// The sum of all splits, in the last of their blocks. Whether this is that one.
template <typename Tile>
__device__ __forceinline__ bool SumSplits(const LeafProductArgs& args, unsigned* ticket,
                                          LeafSums<Tile>& sums) {
  static_assert(Tile::kSums * Tile::kThreads == Tile::kElements);
  const int splits = static_cast<int>(gridDim.z);
  const auto tile = static_cast<int>(blockIdx.y * gridDim.x + blockIdx.x);
  const auto visit = [&sums](const auto& each) {
    ForSums<Tile>([&](int m, int n, int i) {
      each(((m * Tile::kEights + n) * 4 + i) * Tile::kThreads, sums[m][n][i]);
    });
  };
  float* own = PartialOf<Tile>(args, tile, static_cast<int>(blockIdx.z));
  visit([own](int at, float sum) { own[at] = sum; });
  if (!IsLastBlock(splits, args.arrived + tile, ticket)) return false;
  LeafTree<Tile, kLevels> tree;
#pragma unroll 1
  for (int split = 0; split < splits; ++split) {
    const float* from = PartialOf<Tile>(args, tile, split);
    visit([from](int at, float& sum) { sum = __ldcg(from + at); });
    tree.Add(split, sums);
  }
  return true;
}

template <Access kAccess, typename T, typename W, typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocksPerSm)
    LeafProductKernel(LeafProductArgs args) {
  LOCKSTEP_DYNAMIC_SHARED(unsigned char, memory);
  LOCKSTEP_SHARED(unsigned[1], ticket);
  LetNextKernelBegin();
  const int splits = static_cast<int>(gridDim.z), count = args.leaf_count / splits;
  const WarpPlace<Tile> place(args);
  LeafSums<Tile> sums = {};
  SumLeaves<kAccess, T, W, Tile>(args, static_cast<int>(blockIdx.z) * count, count, place, memory,
                                 sums);
  if (splits > 1 && !SumSplits<Tile>(args, ticket, sums)) return;  // all threads
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t row = std::int64_t{blockIdx.y} * Tile::kRows + place.row + lane % 4 * 2;
  const std::int64_t output = std::int64_t{blockIdx.x} * Tile::kOutputs + place.output + lane / 4;
  ForSums<Tile>([&](int m, int n, int i) {
    StoreSum<T>(args, row + 8 * n + i % 2, output + 16 * m + 8 * (i / 2), sums[m][n][i]);
  });
}

// Four blocks for each multiprocessor of the largest devices.
constexpr std::int64_t kWantedBlocks = kLeafArrivals;

template <typename Tile>
std::int64_t SplitsFor(const LeafProductArgs& args, std::int64_t tiles) {
  if (args.splits > 0) return args.splits;
  std::int64_t splits = 1;
  while (splits < args.leaf_count && 2 * splits * tiles <= kWantedBlocks &&
         2 * splits * tiles * Tile::kElements <= kLeafPartialElements)
    splits *= 2;
  return splits;
}

template <Access kAccess, typename T, typename W, typename Tile>
void LaunchTiles(const LeafProductArgs& args, cudaStream_t stream) {
  dim3 grid(BlocksFor(args.outputs, Tile::kOutputs), BlocksFor(args.rows, Tile::kRows));
  const std::int64_t tiles = std::int64_t{grid.x} * grid.y;
  const std::int64_t splits = SplitsFor<Tile>(args, tiles);
  if (args.leaf_count % splits != 0 ||
      (splits > 1 &&
       (tiles > kLeafArrivals || tiles * splits * Tile::kElements > kLeafPartialElements)))
    RefuseArguments("LeafProduct", "splits that the leaves or the partial sums have no room for");
  grid.z = static_cast<unsigned>(splits);
  Launch("LeafProduct",
         {.grid = grid,
          .block = dim3(Tile::kThreads),
          .stream = stream,
          .shared_bytes = LeafStage<Tile, W>::kSharedBytes},
         LeafProductKernel<kAccess, T, W, Tile>, args);
}

template <typename T, typename W>
void LaunchFor(const LeafProductArgs& args, Access access, cudaStream_t stream) {
  constexpr Access kVectors = Access::kVectors;
  using TileOf32 = std::conditional_t<std::is_same_v<W, Fp8>, TileOf32RowsOfFp8, TileOf32Rows>;
  // Matrices of no whole vectors are those of small models.
  if (access == Access::kElements)
    return LaunchTiles<Access::kElements, T, W, TileOf8Rows>(args, stream);
  if (args.rows <= TileOf8Rows::kRows)
    return LaunchTiles<kVectors, T, W, TileOf8Rows>(args, stream);
  if (args.rows <= TileOf32::kRows) return LaunchTiles<kVectors, T, W, TileOf32>(args, stream);
  if constexpr (kGroupInputs<W> != 0) {
    LaunchTiles<kVectors, T, W, TileOfFewerBits>(args, stream);
  } else {
    if (args.rows <= TileOf64Rows::kRows)
      return LaunchTiles<kVectors, T, W, TileOf64Rows>(args, stream);
    LaunchTiles<kVectors, T, W, TileOfManyRows>(args, stream);
  }
}

// Beside its values.
bool HasScales(LeafWeights weights) {
  return weights == LeafWeights::kInt8 || weights == LeafWeights::kFp8;
}

// Blocks of 4 bits lie on 16 bytes wherever the leaves do.
Access AccessOfLeaves(const LeafProductArgs& args) {
  const int chunk = HasScales(args.weights) ? kChunk<std::int8_t> : kChunk<BF16>;
  for (const LeafPart& part : args.parts) {
    int bits = part.inputs;
    for (int leaf = 0; leaf < args.leaf_count; ++leaf)
      bits |= part.leaves[leaf].begin | part.leaves[leaf].end;
    if (bits % chunk != 0 || AccessOf(0, part.x, part.weight) == Access::kElements)
      return Access::kElements;
  }
  return Access::kVectors;
}

void CheckArguments(const LeafProductArgs& args) {
  const std::int32_t leaves = args.leaf_count;
  if (leaves < 1 || leaves > kMostLeaves || (leaves & (leaves - 1)) != 0)
    RefuseArguments("LeafProduct", "leaves are 1, 2, 4 or 8");
  for (const LeafPart& part : args.parts) {
    if (part.inputs == 0) continue;
    if ((part.scales != nullptr) != HasScales(args.weights))
      RefuseArguments("LeafProduct",
                      "int8 and fp8 have scales beside their values, and nothing else");
    if ((part.x_scales != nullptr) != (args.weights == LeafWeights::kFp8))
      RefuseArguments("LeafProduct", "rows of fp8 have scales, and no others");
  }
  if (args.y_type != DType::kF32 && args.y_type != args.x_type)
    RefuseArguments("LeafProduct", "y is fp32 or of x's type");
}

}  // namespace

bool MultipliesFp8() {
  using Kernel = void (*)(LeafProductArgs);
  const Kernel kernel = LeafProductKernel<Access::kVectors, BF16, Fp8, TileOf8Rows>;
  // What it was compiled from: code for an older device runs on a newer one as well.
  cudaFuncAttributes attributes{};
  CheckCuda(cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(kernel)),
            "cudaFuncGetAttributes");
  constexpr int kFirstVersion = 89;
  return kCompilesFp8 && attributes.ptxVersion >= kFirstVersion;
}

void LeafProduct(const LeafProductArgs& args, cudaStream_t stream) {
  CheckArguments(args);
  const Access access = AccessOfLeaves(args);
  ForHalfType(args.x_type, "LeafProduct", [&](auto type) {
    using T = decltype(type);
    switch (args.weights) {
      case LeafWeights::kSixteenBits: return LaunchFor<T, T>(args, access, stream);
      case LeafWeights::kInt8: return LaunchFor<T, std::int8_t>(args, access, stream);
      case LeafWeights::kInt4: return LaunchFor<T, Int4Block>(args, access, stream);
      case LeafWeights::kFp8: return LaunchFor<T, Fp8>(args, access, stream);
    }
  });
}

}  // namespace lockstep::cuda
