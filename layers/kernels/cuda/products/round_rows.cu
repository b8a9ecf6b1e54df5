// Rows rounded to fp8 for products by leaves: a warp for each row and group of inputs.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"
#include "layers/kernels/cuda/kernels/fp8.h"
#include "layers/kernels/cuda/products/leaf_product.h"

namespace lockstep::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kPerLane = kFp8RowInputs / kWarp;

// The inputs of a group, of all leaves'.
__device__ __forceinline__ InputRange InputsOfGroup(const RoundRowsArgs& args, int group) {
  int leaf = 0;
  while (leaf + 1 < args.leaf_count && args.part.first_group[leaf + 1] <= group) ++leaf;
  const InputRange range = args.part.leaves[leaf];
  const int begin = range.begin + (group - args.part.first_group[leaf]) * kFp8RowInputs;
  return {begin, min(begin + kFp8RowInputs, range.end)};
}

template <Access kAccess>
__device__ __forceinline__ void StoreElements(const float (&elements)[kPerLane], int left,
                                              unsigned char* to) {
  Vector<unsigned char, kPerLane> bytes;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) bytes.values[i] = ToFp8(elements[i]);
  if constexpr (kAccess == Access::kVectors) {
    *reinterpret_cast<Vector<unsigned char, kPerLane>*>(to) = bytes;
  } else {
#pragma unroll
    for (int i = 0; i < kPerLane; ++i)
      if (i < left) to[i] = bytes.values[i];
  }
}

template <Access kAccess, typename T>
__global__ void __launch_bounds__(kWarps* kWarp) RoundRowsKernel(RoundRowsArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t at = std::int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  const std::int64_t row = at / args.part.groups;
  if (row >= args.rows) return;  // whole warps
  const InputRange inputs = InputsOfGroup(args, static_cast<int>(at % args.part.groups));
  const int input = inputs.begin + lane * kPerLane, left = inputs.end - input;
  const std::int64_t place = row * args.part.inputs + input;
  float values[kPerLane] = {}, largest = 0.0f;
  if (left > 0) Load<kAccess>(static_cast<const T*>(args.x) + place, left, values);
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) largest = fmaxf(largest, fabsf(values[i]));
  const Fp8Scale scale = Fp8ScaleOfWarp(largest);
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) values[i] *= scale.factor;
  if (left > 0) StoreElements<kAccess>(values, left, args.y + place);
  if (lane == 0) args.scales[at] = scale.scale;
}

// A lane's inputs are whole vectors wherever the leaves are.
Access AccessOfRows(const RoundRowsArgs& args) {
  int bits = args.part.inputs;
  for (int leaf = 0; leaf < args.leaf_count; ++leaf)
    bits |= args.part.leaves[leaf].begin | args.part.leaves[leaf].end;
  return bits % kPerLane == 0 ? AccessOf(0, args.x, args.y) : Access::kElements;
}

}  // namespace

void RoundRows(const RoundRowsArgs& args, cudaStream_t stream) {
  const LaunchShape shape{dim3(BlocksFor(args.rows * args.part.groups, kWarps)),
                          dim3(kWarps * kWarp), stream};
  ForHalfType(args.x_type, "RoundRows", [&](auto type) {
    ForAccess(AccessOfRows(args), [&](auto access) {
      Launch("RoundRows", shape, RoundRowsKernel<access(), decltype(type)>, args);
    });
  });
}

}  // namespace lockstep::cuda
