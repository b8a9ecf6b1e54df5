#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/file.h"
#include "core/numbers/dtype.h"

namespace lockstep {

// How one tensor lies in a checkpoint file. Whoever makes one has checked that every element lies
// within the file, so that readers need no further bounds.
struct StoredTensor {
  std::string name;
  std::string type;                   // the file's own word: "F16", "HalfStorage"
  std::optional<DType> dtype;         // empty for types Lockstep does not read, such as "I64"
  std::vector<std::int64_t> shape;    // any number of extents
  std::vector<std::int64_t> strides;  // in elements, one for each extent, none negative
  std::uint64_t offset = 0;           // of the first element, in bytes from the file's beginning
};

// A checkpoint file of either format: its bytes and what lies in them.
struct TensorFile {
  std::unique_ptr<MappedFile> file;
  std::vector<StoredTensor> tensors;
};

// Maps the file and reads what lies in it; its weights are read when they are asked for.
//   parse  throws BadInput naming `where`
// Throws EnvironmentError, rather than whatever parse() makes of it, when the file is truncated
// meanwhile.
TensorFile OpenTensorFile(const std::filesystem::path& path,
                          std::vector<StoredTensor> (*parse)(std::span<const std::byte> bytes,
                                                             std::string_view where));

// "[50304, 512]"
std::string ShapeText(const std::vector<std::int64_t>& shape);

// The text in double quotes, control characters escaped and long ones cut: names out of a file
// that may be hostile go into messages through this.
std::string Quoted(std::string_view text);

// Throws BadInput when the bytes are what Git LFS leaves in a clone instead of the file.
void RefuseGitLfsPointer(std::span<const std::byte> bytes, std::string_view where);

}  // namespace lockstep
