#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "partition/checkpoint/formats/tensor_file.h"

namespace lockstep {

// The tensors of a safetensors file, checked by the format's own rules
// (https://github.com/huggingface/safetensors, "Format"): a little-endian u64 header length of at
// most 100,000,000; a JSON header that starts with '{'; data ranges that follow each other without
// hole or overlap and end with the file; sizes equal to shape times element size; no duplicate
// keys; `__metadata__` of strings only.
//   bytes  the whole file; only the header is touched
//   where  the file's name, for messages
// Throws BadInput for anything else.
std::vector<StoredTensor> ParseSafetensors(std::span<const std::byte> bytes,
                                           std::string_view where);

// Maps and parses a file. Throws BadInput, or EnvironmentError when it cannot be read.
TensorFile OpenSafetensors(const std::filesystem::path& path);

}  // namespace lockstep
