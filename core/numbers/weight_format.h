#pragma once

#include <cstdint>
#include <string_view>

#include "core/numbers/dtype.h"

namespace lockstep {

// What a model's matrices are kept in and multiplied as. int8 and int4 are made while loading:
// a scale for each output and group of inputs, rows, on processors, rounded to 8 bits. fp8 is made
// so, too: e4m3, a scale for each output and leaf of the inputs, and rows rounded to e4m3. fp16 and
// fp8 are for GPUs alone.
enum class WeightFormat : std::uint8_t { kF32, kBF16, kInt8, kInt4, kF16, kF8 };

// "fp32", "bf16", "int8", "int4", "fp16", "fp8": the spelling of flags and messages.
std::string_view Name(WeightFormat format);

// What is read from the checkpoint to make it: fp32 for the quantised ones, which are rounded once.
constexpr DType SourceDType(WeightFormat format) {
  return format == WeightFormat::kBF16  ? DType::kBF16
         : format == WeightFormat::kF16 ? DType::kF16
                                        : DType::kF32;
}

// The tables that are not multiplied (embeddings), and the KV cache unless told otherwise.
constexpr DType TableDType(WeightFormat format) {
  return format == WeightFormat::kF32   ? DType::kF32
         : format == WeightFormat::kF16 ? DType::kF16
                                        : DType::kBF16;
}

// Inputs that share one scale.
constexpr std::int64_t kInt8GroupInputs = 256;
constexpr std::int64_t kInt4GroupInputs = 64;
constexpr std::int64_t kFp8GroupInputs = 128;  // of rows; of weights all of a leaf
// What a leaf has at the least in models of some size: so many weights of fp8 are counted for one
// scale.
constexpr std::int64_t kFp8LeafInputs = 256;

// Memory of a matrix of so many elements, scales included.
std::int64_t MatrixBytes(WeightFormat format, std::int64_t elements);

}  // namespace lockstep
