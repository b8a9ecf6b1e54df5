#include <string>
#include <string_view>

#include "core/error.h"
#include "partition/checkpoint/formats/torch_bin.h"
#include "tests/support/torch_bin_writer.h"

namespace {

// Byte past the tensor's last element, 0 when it has none.
std::uint64_t EndOf(const lockstep::StoredTensor& tensor) {
  std::uint64_t last = 0;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (tensor.shape[axis] == 0) return 0;
    last += static_cast<std::uint64_t>((tensor.shape[axis] - 1) * tensor.strides[axis]);
  }
  return tensor.offset + (last + 1) * (tensor.dtype ? SizeOf(*tensor.dtype) : 1);
}

void ParseArchive(std::string_view archive) {
  const auto bytes = std::as_bytes(std::span(archive));
  for (const lockstep::StoredTensor& tensor : lockstep::ParseTorchBin(bytes, "fuzz"))
    if (tensor.offset > archive.size() || EndOf(tensor) > archive.size()) __builtin_trap();
}

}  // namespace

// Whatever the bytes say, the parser answers with BadInput or with tensors inside the file.
// An input that does not start as a zip archive is taken for the pickle in one: a fuzzer finds its
// way through two formats at once but slowly.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    if (text.starts_with("PK")) {
      ParseArchive(text);
    } else {
      ParseArchive(lockstep::ZipBytes(
          lockstep::TorchFiles(std::string(text), {std::string(64, 'x'), std::string(8, 'x')})));
    }
  } catch (const lockstep::Error& error) {
    if (error.code() != lockstep::ExitCode::kBadInput) __builtin_trap();
  }
  return 0;
}
