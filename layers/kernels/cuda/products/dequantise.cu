// Weights of 8 bits, widened once for products of many rows. Few rows: few_rows.cu.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"
#include "layers/kernels/cuda/products/int8.h"

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 128;

// Sixteen weights as floats, unscaled.
template <Access kAccess>
__device__ __forceinline__ void LoadWeights(const std::int8_t* from, std::int64_t left,
                                            float (&to)[kInt8Chunk]) {
  if constexpr (kAccess == Access::kVectors) {
    const uint4 raw = *reinterpret_cast<const uint4*>(from);
    const unsigned words[] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) BytesToFloats(words[i], to + 4 * i);
  } else {
#pragma unroll
    for (int i = 0; i < kInt8Chunk; ++i) to[i] = i < left ? static_cast<float>(from[i]) : 0.0f;
  }
}

template <Access kAccess, typename T>
__global__ void __launch_bounds__(kThreads) DequantiseKernel(DequantiseArgs args) {
  const Int8Weight& weight = args.weight;
  const std::int64_t output = blockIdx.x;
  const std::int64_t input =
      (static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x) * kInt8Chunk;
  LetNextKernelBegin();
  AwaitPriorKernels();  // what it writes may be read by them
  if (input >= weight.inputs) return;
  const std::int64_t at = output * weight.inputs + input, left = weight.inputs - input;
  const std::int64_t groups = (weight.inputs + weight.group_inputs - 1) / weight.group_inputs;
  float values[kInt8Chunk];
  LoadWeights<kAccess>(weight.values + at, left, values);
  const float scale = weight.scales[output * groups + input / weight.group_inputs];
#pragma unroll
  for (int i = 0; i < kInt8Chunk; ++i) values[i] *= scale;
  Store<kAccess>(static_cast<T*>(args.y) + at, left, values);
}

Access WeightAccess(const Int8Weight& weight, const void* other) {
  return weight.inputs % kInt8Chunk == 0 ? AccessOf(weight.inputs, weight.values, other)
                                         : Access::kElements;
}

}  // namespace

void Dequantise(const DequantiseArgs& args, cudaStream_t stream) {
  const Int8Weight& weight = args.weight;
  CheckInt8Groups(weight.inputs, weight.group_inputs, "Dequantise");
  const dim3 grid(static_cast<unsigned>(weight.outputs),
                  BlocksFor(weight.inputs, kThreads * kInt8Chunk));
  ForFloatType(args.y_type, "Dequantise", [&](auto type) {
    ForAccess(WeightAccess(weight, args.y), [&](auto access) {
      Launch("Dequantise", {grid, dim3(kThreads), stream},
             DequantiseKernel<access(), decltype(type)>, args);
    });
  });
}

}  // namespace lockstep::cuda
