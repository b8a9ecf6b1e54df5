#pragma once

// Products whose bits depend on nothing but the row, the output and the leaves of the inputs: not
// on how many rows a launch has, nor on how many ranks hold the leaves (docs/dev/numerics.md). As
// in kernels.h, pointers are device memory, a launcher enqueues on the stream and may be captured.

#include <cuda_runtime.h>

#include <cstdint>

#include "core/numbers/dtype.h"
#include "layers/kernels/cuda/kernels/kernels.h"
#include "layers/kernels/cuda/products/int4_block.h"

namespace lockstep::cuda {

inline constexpr int kMostLeaves = 8;
// What weights are kept in. int8 and int4 have a scale for each output and group of inputs, counted
// anew from where each leaf begins. fp8 has one for each output and leaf; its rows are fp8, too,
// with a scale for each row and group.
enum class LeafWeights : std::uint8_t { kSixteenBits, kInt8, kInt4, kFp8 };
inline constexpr int kLeafGroupInputs = 256;  // of int8; of int4 kInt4BlockInputs
inline constexpr int kFp8RowInputs = 128;     // of rows of fp8

// Inputs [begin, end) of a part.
struct InputRange {
  std::int32_t begin = 0;
  std::int32_t end = 0;
};

// x W^T, or one of the two that are added.
struct LeafPart {
  const void* x = nullptr;          // [rows, inputs] of x_type, or fp8
  const float* x_scales = nullptr;  // [rows, groups], of fp8 alone
  // [outputs, inputs] of x_type, int8 or fp8; or Int4Block [outputs in sixteens, groups], on 16
  // bytes
  const void* weight = nullptr;
  const float* scales = nullptr;  // of int8 [outputs, groups], of fp8 [leaves, outputs]
  std::int32_t inputs = 0;        // 0: no such part
  std::int32_t groups = 0;        // of all leaves, one leaf's behind the other's
  InputRange leaves[kMostLeaves] = {};
  std::int32_t first_group[kMostLeaves] = {};
};

// y = gelu(sum + bias). The sum's order: a leaf is one chain, through its inputs of part 0 and then
// through those of part 1; the leaves' sums are added as a balanced binary tree.
struct LeafProductArgs {
  LeafPart parts[2] = {};
  std::int32_t leaf_count = 1;  // a power of two, at most kMostLeaves
  DType x_type = DType::kBF16;  // of rows that are not fp8, and of y
  LeafWeights weights = LeafWeights::kSixteenBits;
  const float* bias = nullptr;  // [outputs] or null
  Gelu gelu = Gelu::kNone;
  void* y = nullptr;  // [rows, outputs] of y_type: fp32 or x_type
  DType y_type = DType::kF32;
  std::int64_t rows = 0;
  std::int64_t outputs = 0;
  // Where blocks leave the sums of their leaves to the one that is last: kLeafPartialElements
  // floats, and kLeafArrivals zeros, as which they are left.
  float* partial = nullptr;
  unsigned* arrived = nullptr;
  // Blocks that share the leaves of a tile: a power of two up to leaf_count. 0: as many as fill a
  // device. It changes no bit.
  std::int32_t splits = 0;
};
inline constexpr std::int64_t kLeafPartialElements = std::int64_t{1} << 21;
inline constexpr std::int64_t kLeafArrivals = 512;
void LeafProduct(const LeafProductArgs& args, cudaStream_t stream);

// Whether the current device multiplies fp8: compute capability 8.9 or later, and kernels that were
// compiled for that.
bool MultipliesFp8();

// Rows as LeafProduct() takes them with weights of fp8.
struct RoundRowsArgs {
  const void* x = nullptr;  // [rows, inputs] of x_type
  DType x_type = DType::kBF16;
  LeafPart part = {};  // its inputs, groups and leaves
  std::int32_t leaf_count = 1;
  unsigned char* y = nullptr;  // [rows, inputs] fp8
  float* scales = nullptr;     // [rows, groups]
  std::int64_t rows = 0;
};
void RoundRows(const RoundRowsArgs& args, cudaStream_t stream);

}  // namespace lockstep::cuda
