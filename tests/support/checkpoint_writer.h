#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/numbers/tensor.h"

namespace lockstep {

// A tensor to be written. Its bytes are asked for block by block, in order, so that a file larger
// than memory can be written.
struct CheckpointTensor {
  using Fill = std::function<void(std::uint64_t offset, std::span<std::byte> block)>;

  std::string name;
  std::string dtype = "F32";  // as safetensors spells it
  std::vector<std::int64_t> shape;
  Fill fill;

  std::uint64_t bytes() const;
};

// Element `index` of the pattern `seed`: scattered over [-1, 1), and the same number in fp32, fp16
// and bf16.
float PatternValue(std::uint64_t seed, std::uint64_t index);

// A tensor of PatternValue(seed, 0), PatternValue(seed, 1), … in row-major order.
CheckpointTensor PatternTensor(std::string name, DType dtype, std::vector<std::int64_t> shape,
                               std::uint64_t seed);

// A tensor of the given bytes.
CheckpointTensor BytesTensor(std::string name, std::string dtype, std::vector<std::int64_t> shape,
                             std::string bytes);

// Header length, header, data: a safetensors file by hand, right or wrong.
std::string SafetensorsBytes(const std::string& header, const std::string& data);

// Writes one file, holding a block of at most 1 MiB in memory.
void WriteSafetensors(const std::filesystem::path& path, std::span<const CheckpointTensor> tensors);

// Writes model-0000N-of-0000M.safetensors and their index, the tensors dealt out in turn.
// Returns the names of the shards.
std::vector<std::string> WriteShardedSafetensors(const std::filesystem::path& folder,
                                                 std::span<const CheckpointTensor> tensors,
                                                 int shards);

}  // namespace lockstep
