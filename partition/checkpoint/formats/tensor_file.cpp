#include "partition/checkpoint/formats/tensor_file.h"

#include <fmt/ranges.h>

#include "core/error.h"

namespace lockstep {

TensorFile OpenTensorFile(const std::filesystem::path& path,
                          std::vector<StoredTensor> (*parse)(std::span<const std::byte> bytes,
                                                             std::string_view where)) {
  TensorFile result{std::make_unique<MappedFile>(path), {}};
  result.file->DisableReadAhead();
  try {
    result.tensors = parse(result.file->bytes(), path.string());
  } catch (const Error&) {
    result.file->CheckIntact();
    throw;
  }
  result.file->CheckIntact();
  result.file->Release(0, result.file->bytes().size());
  return result;
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string quoted = "\"";
  for (const char c : text.substr(0, kLongest)) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7f) {
      quoted += fmt::format("\\x{:02x}", code);
    } else {
      quoted += c;
    }
  }
  return quoted + (text.size() > kLongest ? "...\"" : "\"");
}

void RefuseGitLfsPointer(std::span<const std::byte> bytes, std::string_view where) {
  constexpr std::string_view kPointer = "version https://git-lfs";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with(kPointer))
    throw BadInput(
        "{}: is a Git LFS pointer of {} bytes; expected the weights themselves; run `git lfs pull` "
        "in the model's folder",
        where, bytes.size());
}

}  // namespace lockstep
