// Weights of 8 bits. Many rows: dequantised once, then cuBLAS multiplies. Few rows: multiplied as
// they are read, which is all that they cost.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/dispatch.h"
#include "layers/kernels/cuda/gelu.h"

namespace lockstep::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kChunk = 16;       // inputs of a lane: 16 bytes of weights
constexpr int kWarpOutputs = 4;  // so that a chunk of x is used for more than one of them

// Without the conversion instruction, which runs at a quarter of the rate of additions: a byte with
// its sign bit flipped is the low mantissa of 2^23 + 128 + value.
__device__ __forceinline__ float ByteToFloat(unsigned flipped, unsigned index) {
  return __uint_as_float(__byte_perm(flipped, 0x4b000000u, 0x7440u + index)) - 8388736.0f;
}

// Sixteen weights as floats, unscaled.
template <Access kAccess>
__device__ __forceinline__ void LoadWeights(const std::int8_t* from, std::int64_t left,
                                            float (&to)[kChunk]) {
  if constexpr (kAccess == Access::kVectors) {
    const uint4 raw = *reinterpret_cast<const uint4*>(from);
    const unsigned words[] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < kChunk; ++i)
      to[i] = ByteToFloat(words[i / 4] ^ 0x80808080u, static_cast<unsigned>(i % 4));
  } else {
#pragma unroll
    for (int i = 0; i < kChunk; ++i) to[i] = i < left ? static_cast<float>(from[i]) : 0.0f;
  }
}

__device__ __forceinline__ float ScaleOf(const Int8Weight& weight, std::int64_t output,
                                         std::int64_t input) {
  const std::int64_t groups = (weight.inputs + weight.group_inputs - 1) / weight.group_inputs;
  return weight.scales[output * groups + input / weight.group_inputs];
}

template <Access kAccess, typename T>
__global__ void __launch_bounds__(kThreads) DequantiseKernel(DequantiseArgs args) {
  const Int8Weight& weight = args.weight;
  const std::int64_t output = blockIdx.x;
  const std::int64_t input =
      (static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x) * kChunk;
  if (input >= weight.inputs) return;
  const std::int64_t at = output * weight.inputs + input, left = weight.inputs - input;
  float values[kChunk];
  LoadWeights<kAccess>(weight.values + at, left, values);
  const float scale = ScaleOf(weight, output, input);
#pragma unroll
  for (int i = 0; i < kChunk; ++i) values[i] *= scale;
  Store<kAccess>(static_cast<T*>(args.y) + at, left, values);
}

// Where the sums of a warp lie: kRows rows by kWarpOutputs outputs.
template <int kRows>
struct ProductTile {
  float sums[kRows][kWarpOutputs] = {};
};

// sums += x W^T over the lane's inputs. Each sum is one chain in the order of the inputs, whatever
// kRows is.
template <Access kAccess, int kRows, typename T>
__device__ __forceinline__ void Accumulate(const Int8ProductArgs& args, std::int64_t first_row,
                                           std::int64_t first_output, ProductTile<kRows>& tile) {
  const Int8Weight& weight = args.weight;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (std::int64_t input = lane * kChunk; input < weight.inputs; input += kWarp * kChunk) {
    const std::int64_t left = weight.inputs - input;
    float weights[kWarpOutputs][kChunk];
#pragma unroll
    for (int o = 0; o < kWarpOutputs; ++o) {
      // The last warp may have fewer outputs: it computes the last one again.
      const std::int64_t output =
          first_output + o < weight.outputs ? first_output + o : weight.outputs - 1;
      LoadWeights<kAccess>(weight.values + output * weight.inputs + input, left, weights[o]);
      const float scale = ScaleOf(weight, output, input);
#pragma unroll
      for (int i = 0; i < kChunk; ++i) weights[o][i] *= scale;
    }
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
      if (first_row + row >= args.rows) continue;
      float x[kChunk];
      Load<kAccess>(static_cast<const T*>(args.x) + (first_row + row) * weight.inputs + input, left,
                    x);
#pragma unroll
      for (int o = 0; o < kWarpOutputs; ++o)
#pragma unroll
        for (int i = 0; i < kChunk; ++i)
          tile.sums[row][o] = fmaf(x[i], weights[o][i], tile.sums[row][o]);
    }
  }
}

template <typename Y>
__device__ __forceinline__ void StoreResult(const Int8ProductArgs& args, std::int64_t row,
                                            std::int64_t output, float sum) {
  if (row >= args.rows || output >= args.weight.outputs) return;
  Y* y = static_cast<Y*>(args.y) + row * args.weight.outputs + output;
  if (args.bias != nullptr) sum += args.bias[output];
  sum = Activate(args.gelu, sum);
  *y = FromFloat<Y>(args.store == StoreMode::kAdd ? ToFloat(*y) + sum : sum);
}

template <Access kAccess, int kRows, typename T, typename Y>
__global__ void __launch_bounds__(kThreads) Int8ProductKernel(Int8ProductArgs args) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp,
            lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.y) * kRows;
  const std::int64_t first_output =
      (static_cast<std::int64_t>(blockIdx.x) * kWarps + warp) * kWarpOutputs;
  if (first_output >= args.weight.outputs) return;  // whole warps
  ProductTile<kRows> tile;
  Accumulate<kAccess, kRows, T>(args, first_row, first_output, tile);
  // Lane kWarpOutputs * row + output keeps that sum, so that all are finished and stored at once.
  float own = 0.0f;
#pragma unroll
  for (int row = 0; row < kRows; ++row)
#pragma unroll
    for (int o = 0; o < kWarpOutputs; ++o) {
      const float sum = WarpSum(tile.sums[row][o]);
      if (lane == row * kWarpOutputs + o) own = sum;
    }
  if (lane < kRows * kWarpOutputs)
    StoreResult<Y>(args, first_row + lane / kWarpOutputs, first_output + lane % kWarpOutputs, own);
}
static_assert(kInt8Rows * kWarpOutputs <= kWarp);

template <Access kAccess, typename T, typename Y>
void LaunchProduct(const Int8ProductArgs& args, cudaStream_t stream) {
  const auto launch = [&](auto rows) {
    constexpr int kRows = rows();
    const dim3 grid(BlocksFor(args.weight.outputs, kWarps * kWarpOutputs),
                    BlocksFor(args.rows, kRows));
    Launch("Int8Product", {grid, dim3(kThreads), stream}, Int8ProductKernel<kAccess, kRows, T, Y>,
           args);
  };
  if (args.rows <= 1) return launch(std::integral_constant<int, 1>{});
  if (args.rows <= 4) return launch(std::integral_constant<int, 4>{});
  launch(std::integral_constant<int, static_cast<int>(kInt8Rows)>{});
}

// A chunk lies in one group.
void CheckGroups(const Int8Weight& weight, const char* launcher) {
  if (weight.group_inputs < weight.inputs && weight.group_inputs % kChunk != 0)
    RefuseArguments(launcher, "groups of inputs that are no multiple of 16");
}

Access WeightAccess(const Int8Weight& weight, const void* other) {
  return weight.inputs % kChunk == 0 ? AccessOf(weight.inputs, weight.values, other)
                                     : Access::kElements;
}

}  // namespace

void Dequantise(const DequantiseArgs& args, cudaStream_t stream) {
  const Int8Weight& weight = args.weight;
  CheckGroups(weight, "Dequantise");
  const dim3 grid(static_cast<unsigned>(weight.outputs),
                  BlocksFor(weight.inputs, kThreads * kChunk));
  ForFloatType(args.y_type, "Dequantise", [&](auto type) {
    ForAccess(WeightAccess(weight, args.y), [&](auto access) {
      Launch("Dequantise", {grid, dim3(kThreads), stream},
             DequantiseKernel<access(), decltype(type)>, args);
    });
  });
}

void Int8Product(const Int8ProductArgs& args, cudaStream_t stream) {
  CheckGroups(args.weight, "Int8Product");
  if (args.y_type != DType::kF32 && args.y_type != args.x_type)
    RefuseArguments("Int8Product", "y is fp32 or of x's type");
  ForHalfType(args.x_type, "Int8Product", [&](auto type) {
    using T = decltype(type);
    ForAccess(WeightAccess(args.weight, args.x), [&](auto access) {
      if (args.y_type == DType::kF32) return LaunchProduct<access(), T, float>(args, stream);
      LaunchProduct<access(), T, T>(args, stream);
    });
  });
}

}  // namespace lockstep::cuda
