// Products of one row by weights of 16 bits: read as fast as the memory gives them, in accesses of
// 16 bytes by neighbouring lanes, which the tensor cores' order of few_rows.cu is not.
//
// A sum is one chain for each lane, in the order of the inputs, then a tree over the lanes, then
// the warps in their order. A block has kOutputs outputs, so that a chunk of x is used for more
// than one of them, and as many warps as share the inputs with some for each.
#include <cuda_runtime.h>

#include <algorithm>

#include "layers/kernels/cuda/kernels/dispatch.h"
#include "layers/kernels/cuda/products/few_rows.h"

namespace lockstep::cuda {
namespace {

constexpr int kMaxWarps = 4;
constexpr int kOutputs = 4;
constexpr int kBlocksPerSm = 7;  // as many as leave the compiler registers enough

__device__ __forceinline__ float BitsToFloat(BF16 /*type*/, unsigned bits) {
  return __uint_as_float(bits << 16);
}
__device__ __forceinline__ float BitsToFloat(F16 /*type*/, unsigned bits) {
  return __half2float(__half(__half_raw{static_cast<unsigned short>(bits)}));
}

template <typename W>
__device__ __forceinline__ void Widen(const uint4& chunk, float (&to)[8]) {
  const unsigned words[] = {chunk.x, chunk.y, chunk.z, chunk.w};
#pragma unroll
  for (int i = 0; i < 8; ++i)
    to[i] = BitsToFloat(W{}, i % 2 == 0 ? words[i / 2] & 0xffffu : words[i / 2] >> 16);
}

// One part's weights, as this thread walks over them: those of the block's outputs side by side.
template <Access kAccess, typename T>
struct Walk {
  const T* rows[kOutputs];
  int inputs;

  __device__ __forceinline__ Walk(const FewRowsArgs& args, const FewRowsPart& part)
      : inputs(static_cast<int>(part.inputs)) {
#pragma unroll
    for (int o = 0; o < kOutputs; ++o)
      rows[o] = static_cast<const T*>(part.weight) + ClampedOutput<kOutputs>(args, o) * part.inputs;
  }
  __device__ __forceinline__ void LoadAt(int input, uint4 (&chunks)[kOutputs]) const {
    if (input >= inputs) return;
#pragma unroll
    for (int o = 0; o < kOutputs; ++o)
      chunks[o] = LoadChunk<kAccess>(rows[o] + input, inputs - input);
  }
};

// sums += x W^T over the thread's inputs. `next` is what LoadAt() gave for the first of them.
template <Access kAccess, typename T>
__device__ __forceinline__ void AddPart(const FewRowsPart& part, const Walk<kAccess, T>& walk,
                                        uint4 (&next)[kOutputs], float (&sums)[kOutputs]) {
  const int step = static_cast<int>(blockDim.x) * kChunk<T>;
  const T* x = static_cast<const T*>(part.x);
#pragma unroll 1
  for (int input = static_cast<int>(threadIdx.x) * kChunk<T>; input < walk.inputs; input += step) {
    uint4 now[kOutputs];
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) now[o] = next[o];
    walk.LoadAt(input + step, next);
    float values[8];
    Load<kAccess>(x + input, walk.inputs - input, values);
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) {
      float weights[8];
      Widen<T>(now[o], weights);
#pragma unroll
      for (int i = 0; i < 8; ++i) sums[o] = fmaf(values[i], weights[i], sums[o]);
    }
  }
}

// The sums of all lanes: of values[i] to the lanes [i, i + 1) * kWarp / kCount, in values[0]. The
// lanes halve what they keep as long as there is more than one of it, which takes kCount - 1
// shuffles and five in all for the last.
template <int kCount>
__device__ __forceinline__ void SumLanes(float (&values)[kCount]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  int offset = kWarp / 2;
#pragma unroll
  for (int half = kCount / 2; half > 0; half /= 2, offset /= 2) {
    const bool upper = (lane & offset) != 0;
#pragma unroll
    for (int i = 0; i < half; ++i) {
      const float given = upper ? values[i] : values[i + half];
      const float kept = upper ? values[i + half] : values[i];
      values[i] = kept + __shfl_xor_sync(kAllLanes, given, offset);
    }
  }
#pragma unroll
  for (int rest = kWarp / 2 / kCount; rest > 0; rest /= 2)
    values[0] += __shfl_xor_sync(kAllLanes, values[0], rest);
}

template <Access kAccess, typename T>
__global__ void __launch_bounds__(kMaxWarps* kWarp, kBlocksPerSm) OneRowKernel(FewRowsArgs args) {
  LOCKSTEP_SHARED(float[kMaxWarps][kOutputs], partial);
  LetNextKernelBegin();
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  float sums[kOutputs] = {};
  uint4 next[kOutputs];
  // Nobody writes weights: their first chunks are on their way before what x comes from has ended.
  const Walk<kAccess, T> first(args, args.parts[0]);
  first.LoadAt(thread * kChunk<T>, next);
  AwaitPriorKernels();
  AddPart(args.parts[0], first, next, sums);
  if (args.parts[1].inputs > 0) {
    const Walk<kAccess, T> second(args, args.parts[1]);
    second.LoadAt(thread * kChunk<T>, next);
    AddPart(args.parts[1], second, next, sums);
  }
  SumLanes(sums);
  constexpr int kLanesPerSum = kWarp / kOutputs;
  if (lane % kLanesPerSum == 0) partial[warp][lane / kLanesPerSum] = sums[0];
  __syncthreads();
  if (thread >= kOutputs) return;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  float sum = partial[0][thread];
  for (int i = 1; i < warps; ++i) sum += partial[i][thread];
  StoreSum<T>(args, 0, static_cast<std::int64_t>(blockIdx.x) * kOutputs + thread, sum);
}

}  // namespace

void OneRow(const FewRowsArgs& args, Access access, cudaStream_t stream) {
  const std::int64_t inputs = std::max(args.parts[0].inputs, args.parts[1].inputs);
  ForHalfType(args.x_type, "OneRow", [&](auto type) {
    using T = decltype(type);
    const unsigned warps =
        std::clamp(BlocksFor(inputs, kWarp * kChunk<T>), 1u, static_cast<unsigned>(kMaxWarps));
    const LaunchShape shape{dim3(BlocksFor(args.outputs, kOutputs)), dim3(warps * kWarp), stream};
    ForAccess(access,
              [&](auto kAccess) { Launch("OneRow", shape, OneRowKernel<kAccess(), T>, args); });
  });
}

}  // namespace lockstep::cuda
