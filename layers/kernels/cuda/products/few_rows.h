#pragma once

// What the two kernels for products of few rows share (kernels.h has the product), and those of
// products/ with them.

#include <type_traits>

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/kernels/gelu.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

// Of one row and weights of 16 bits: one_row.cu. Arguments that FewRows() has looked at.
void OneRow(const FewRowsArgs& args, Access access, cudaStream_t stream);

// Inputs in 16 bytes.
template <typename W>
constexpr int kChunk = 16 / static_cast<int>(sizeof(W));

// 16 bytes; elements at `left` and beyond are zeros.
template <Access kAccess, typename W>
__device__ __forceinline__ uint4 LoadChunk(const W* from, int left) {
  if constexpr (kAccess == Access::kVectors) {
    return left > 0 ? *reinterpret_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
  } else {
    using Bits = std::conditional_t<sizeof(W) == 1, std::uint8_t, std::uint16_t>;
    constexpr int kPerWord = 4 / static_cast<int>(sizeof(W));
    const auto* bits = reinterpret_cast<const Bits*>(from);
    unsigned words[4] = {};
#pragma unroll
    for (int i = 0; i < kChunk<W>; ++i)
      if (i < left)
        words[i / kPerWord] |= static_cast<unsigned>(bits[i]) << i % kPerWord * 32 / kPerWord;
    return make_uint4(words[0], words[1], words[2], words[3]);
  }
}

// The block's output of this index. The last block may have fewer: it computes the last one again.
template <int kOutputs>
__device__ __forceinline__ std::int64_t ClampedOutput(const FewRowsArgs& args, int index) {
  const std::int64_t own = static_cast<std::int64_t>(blockIdx.x) * kOutputs + index;
  return own < args.outputs ? own : args.outputs - 1;
}

// What is left to do with a sum, of args that have bias, gelu, y, y_type, rows and outputs.
template <typename T, typename Args>
__device__ __forceinline__ void StoreSum(const Args& args, std::int64_t row, std::int64_t output,
                                         float sum) {
  if (row >= args.rows || output >= args.outputs) return;
  if (args.bias != nullptr) sum += args.bias[output];
  sum = Activate(args.gelu, sum);
  const std::int64_t at = row * args.outputs + output;
  if (args.y_type == DType::kF32)
    static_cast<float*>(args.y)[at] = sum;
  else
    static_cast<T*>(args.y)[at] = FromFloat<T>(sum);
}

}  // namespace lockstep::cuda
