#include "core/error.h"
#include "partition/checkpoint/formats/safetensors.h"

// Whatever the bytes say, the parser answers with BadInput or with tensors inside the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    for (const lockstep::StoredTensor& tensor : lockstep::ParseSafetensors(bytes, "fuzz"))
      if (tensor.offset > size || tensor.strides.size() != tensor.shape.size()) __builtin_trap();
  } catch (const lockstep::Error& error) {
    if (error.code() != lockstep::ExitCode::kBadInput) __builtin_trap();
  }
  return 0;
}
