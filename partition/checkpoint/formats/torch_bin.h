#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "partition/checkpoint/formats/tensor_file.h"

namespace lockstep {

// The tensors of a file that torch.save wrote (PyTorch 1.6 or later): a zip archive with
// <root>/data.pkl, which describes them, and <root>/data/<key>, the bytes of each storage.
// Views with offsets and strides and storages shared between tensors are fine. Executes nothing.
//   bytes  the whole file; only the zip directory and the pickle are touched
//   where  the file's name, for messages
// Throws BadInput for anything else, with a remedy for the file formats people have.
std::vector<StoredTensor> ParseTorchBin(std::span<const std::byte> bytes, std::string_view where);

// Maps and parses a file. Throws BadInput, or EnvironmentError when it cannot be read.
TensorFile OpenTorchBin(const std::filesystem::path& path);

}  // namespace lockstep
