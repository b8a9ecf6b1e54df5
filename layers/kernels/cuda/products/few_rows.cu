// Products of few rows: bound by the reading of the weights, so each is read once, in accesses of
// 16 bytes, and what else the layer does with the sums happens before they are stored.
//
// A block has 16 outputs and up to 8 rows: one multiplication of the tensor cores, whose warps
// share the inputs. Which of 16 inputs is which in a multiplication is free, as long as both sides
// agree: so a lane brings what 16 bytes hold, without an exchange between lanes. A row's sums are
// the same whatever the number of rows: a chain for each warp, in the order of the inputs, then the
// warps in theirs.
#include <cuda_runtime.h>

#include <algorithm>

#include "layers/kernels/cuda/kernels/dispatch.h"
#include "layers/kernels/cuda/kernels/tensor_core.h"
#include "layers/kernels/cuda/products/few_rows.h"
#include "layers/kernels/cuda/products/int8.h"

namespace lockstep::cuda {
namespace {

constexpr int kMaxWarps = 8;
constexpr int kBlocksPerSm = 3;  // told so, the compiler has registers enough and spills none
constexpr int kOutputs = 16;     // of a block
constexpr int kRows = static_cast<int>(kFewRows);
static_assert(kRows == 8);
constexpr int kRowLanes = 4;  // that share a row of inputs
constexpr int kChunks = 2;    // of a lane at a time, from each of its two rows of weights

// Inputs of a warp at a time.
template <typename W>
constexpr int kStep = kChunks* kRowLanes* kChunk<W>;

// A step's weights of a lane: of two outputs, eight apart.
struct Weights {
  uint4 chunks[2][kChunks];
};

// One part of the product, as a lane walks over it.
template <Access kAccess, typename T, typename W>
struct Walk {
  const W* weights[2];  // of its outputs
  const T* x;           // its row, null beyond the last
  int inputs;

  __device__ __forceinline__ Walk(const FewRowsArgs& args, const FewRowsPart& part)
      : inputs(static_cast<int>(part.inputs)) {
    const int own = static_cast<int>(threadIdx.x) % kWarp / kRowLanes;
#pragma unroll
    for (int half = 0; half < 2; ++half)
      weights[half] = static_cast<const W*>(part.weight) +
                      ClampedOutput<kOutputs>(args, own + 8 * half) * part.inputs;
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * kRows + own;
    x = row < args.rows ? static_cast<const T*>(part.x) + row * part.inputs : nullptr;
  }

  // Of the step that begins with input `step`: where the lane's chunk begins.
  __device__ __forceinline__ static int PlaceOf(int step, int chunk) {
    const int lane = static_cast<int>(threadIdx.x) % kRowLanes;
    return step + (chunk * kRowLanes + lane) * kChunk<W>;
  }
  __device__ __forceinline__ void Load(int step, Weights& to) const {
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int chunk = 0; chunk < kChunks; ++chunk) {
        const int at = PlaceOf(step, chunk);
        to.chunks[half][chunk] = LoadChunk<kAccess>(weights[half] + at, inputs - at);
      }
  }
};

// Four words: the eight inputs that two multiplications take of a lane.
struct Eight {
  unsigned words[4];
};

// Inputs [8 eight, 8 eight + 8) of a chunk of weights, as T.
template <typename T, typename W>
__device__ __forceinline__ Eight EightOf(const uint4& chunk, int eight) {
  if constexpr (sizeof(W) > 1) {
    return {{chunk.x, chunk.y, chunk.z, chunk.w}};
  } else {
    float values[8];
    BytesToFloats(eight == 0 ? chunk.x : chunk.z, values);
    BytesToFloats(eight == 0 ? chunk.y : chunk.w, values + 4);
    return {{PackPair<T>(values[0], values[1]), PackPair<T>(values[2], values[3]),
             PackPair<T>(values[4], values[5]), PackPair<T>(values[6], values[7])}};
  }
}

// sums += the chunk's part of the products.
template <Access kAccess, typename T, typename W>
__device__ __forceinline__ void AddChunk(const Walk<kAccess, T, W>& walk, const Weights& weights,
                                         int chunk, int at, float (&sums)[4]) {
#pragma unroll
  for (int eight = 0; eight < kChunk<W> / 8; ++eight) {
    const int input = at + eight * 8;
    uint4 x = make_uint4(0, 0, 0, 0);
    if (walk.x != nullptr) x = LoadChunk<kAccess>(walk.x + input, walk.inputs - input);
    const Eight low = EightOf<T, W>(weights.chunks[0][chunk], eight);
    const Eight high = EightOf<T, W>(weights.chunks[1][chunk], eight);
    const unsigned a0[4] = {low.words[0], high.words[0], low.words[1], high.words[1]};
    const unsigned a1[4] = {low.words[2], high.words[2], low.words[3], high.words[3]};
    const unsigned b0[2] = {x.x, x.y}, b1[2] = {x.z, x.w};
    MultiplyAdd<T>(a0, b0, sums);
    MultiplyAdd<T>(a1, b1, sums);
  }
}

// Of 8 bits: sums += the scale of the chunk's group times the chunk's part. A warp's chunks beside
// each other are of one group.
template <Access kAccess, typename T, typename W>
__device__ __forceinline__ void AddScaledChunk(const FewRowsArgs& args, const FewRowsPart& part,
                                               const Walk<kAccess, T, W>& walk,
                                               const Weights& weights, int chunk, int step,
                                               float (&sums)[4]) {
  const int own = static_cast<int>(threadIdx.x) % kWarp / kRowLanes;
  const auto group = static_cast<int>(args.group_inputs);
  const int groups = (walk.inputs + group - 1) / group;
  const int first = step + chunk * kRowLanes * kChunk<W>;  // of the warp
  if (first >= walk.inputs) return;                        // whole warps
  float added[4] = {};
  AddChunk(walk, weights, chunk, Walk<kAccess, T, W>::PlaceOf(step, chunk), added);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float scale =
        part.scales[ClampedOutput<kOutputs>(args, own + 8 * half) * groups + first / group];
    sums[2 * half] = fmaf(scale, added[2 * half], sums[2 * half]);
    sums[2 * half + 1] = fmaf(scale, added[2 * half + 1], sums[2 * half + 1]);
  }
}

// sums += the warp's inputs of the part. `next` holds the weights of its first step.
template <Access kAccess, typename T, typename W>
__device__ __forceinline__ void AddPart(const FewRowsArgs& args, const FewRowsPart& part,
                                        const Walk<kAccess, T, W>& walk, Weights& next,
                                        float (&sums)[4]) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int stride = static_cast<int>(blockDim.x) / kWarp * kStep<W>;
#pragma unroll 1
  for (int step = warp * kStep<W>; step < walk.inputs; step += stride) {
    const Weights now = next;
    walk.Load(step + stride, next);
#pragma unroll
    for (int chunk = 0; chunk < kChunks; ++chunk)
      if constexpr (sizeof(W) > 1)
        AddChunk(walk, now, chunk, Walk<kAccess, T, W>::PlaceOf(step, chunk), sums);
      else
        AddScaledChunk(args, part, walk, now, chunk, step, sums);
  }
}

template <Access kAccess, typename T, typename W>
__global__ void __launch_bounds__(kMaxWarps* kWarp, kBlocksPerSm) FewRowsKernel(FewRowsArgs args) {
  LOCKSTEP_SHARED(float[kMaxWarps][kRows][kOutputs], partial);
  LetNextKernelBegin();
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  float sums[4] = {};
  Weights next;
  // Nobody writes weights: their first chunks are on their way before what x comes from has ended.
  const Walk<kAccess, T, W> first(args, args.parts[0]);
  first.Load(warp * kStep<W>, next);
  AwaitPriorKernels();
  AddPart(args, args.parts[0], first, next, sums);
  if (args.parts[1].inputs > 0) {
    const Walk<kAccess, T, W> second(args, args.parts[1]);
    second.Load(warp * kStep<W>, next);
    AddPart(args, args.parts[1], second, next, sums);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
    partial[warp][lane % kRowLanes * 2 + i % 2][lane / kRowLanes + i / 2 * 8] = sums[i];
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  for (int i = thread; i < kRows * kOutputs; i += static_cast<int>(blockDim.x)) {
    const int row = i / kOutputs, output = i % kOutputs;
    float sum = partial[0][row][output];
    for (int other = 1; other < warps; ++other) sum += partial[other][row][output];
    StoreSum<T>(args, static_cast<std::int64_t>(blockIdx.y) * kRows + row,
                static_cast<std::int64_t>(blockIdx.x) * kOutputs + output, sum);
  }
}

template <Access kAccess, typename T, typename W>
void LaunchFor(const FewRowsArgs& args, cudaStream_t stream) {
  const std::int64_t inputs = std::max(args.parts[0].inputs, args.parts[1].inputs);
  const unsigned warps =
      std::clamp(BlocksFor(inputs, kStep<W>), 1u, static_cast<unsigned>(kMaxWarps));
  const dim3 grid(BlocksFor(args.outputs, kOutputs), BlocksFor(args.rows, kRows));
  Launch("FewRows", {grid, dim3(warps * kWarp), stream}, FewRowsKernel<kAccess, T, W>, args);
}

bool IsInt8(const FewRowsPart& part) { return part.scales != nullptr; }

Access AccessOfParts(const FewRowsArgs& args) {
  const std::int64_t chunk = IsInt8(args.parts[0]) ? kChunk<std::int8_t> : kChunk<BF16>;
  for (const FewRowsPart& part : args.parts)
    if (part.inputs % chunk != 0 || AccessOf(0, part.x, part.weight) == Access::kElements)
      return Access::kElements;
  return Access::kVectors;
}

void CheckArguments(const FewRowsArgs& args) {
  constexpr std::int64_t kWarpChunks = kRowLanes * kChunk<std::int8_t>;
  for (const FewRowsPart& part : args.parts)
    if (IsInt8(part) && args.group_inputs < part.inputs && args.group_inputs % kWarpChunks != 0)
      RefuseArguments("FewRows", "groups of inputs that are no multiple of 64");
  if (args.parts[1].inputs > 0 && IsInt8(args.parts[0]) != IsInt8(args.parts[1]))
    RefuseArguments("FewRows", "parts of weights of two kinds");
  if (args.y_type != DType::kF32 && args.y_type != args.x_type)
    RefuseArguments("FewRows", "y is fp32 or of x's type");
}

}  // namespace

void FewRows(const FewRowsArgs& args, cudaStream_t stream) {
  CheckArguments(args);
  ForHalfType(args.x_type, "FewRows", [&](auto type) {
    using T = decltype(type);
    ForAccess(AccessOfParts(args), [&](auto access) {
      if (IsInt8(args.parts[0])) return LaunchFor<access(), T, std::int8_t>(args, stream);
      if (args.rows == 1) return OneRow(args, access(), stream);
      LaunchFor<access(), T, T>(args, stream);
    });
  });
}

}  // namespace lockstep::cuda
