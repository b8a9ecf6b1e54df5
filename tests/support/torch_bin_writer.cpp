#include "tests/support/torch_bin_writer.h"

namespace lockstep {
namespace {

std::string Bytes(std::uint64_t value, int size) {
  std::string text;
  for (int i = 0; i < size; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

constexpr std::uint64_t kSee64 = 0xffffffff;

// What the local and the central header have in common, from the flags to the sizes.
std::string CommonHeader(const ZipFile& file, ZipStyle style) {
  const std::uint64_t size = style == ZipStyle::kZip64 ? kSee64 : file.bytes.size();
  return Bytes(file.flags, 2) + Bytes(file.method, 2) + Bytes(0, 8) + Bytes(size, 4) +
         Bytes(size, 4) + Bytes(file.name.size(), 2);
}

std::string LocalHeader(const ZipFile& file) {
  return Bytes(0x04034b50, 4) + Bytes(20, 2) + CommonHeader(file, ZipStyle::kPlain) + Bytes(0, 2) +
         file.name;
}

std::string DirectoryEntry(const ZipFile& file, std::uint64_t offset, ZipStyle style) {
  std::string extra;
  if (style == ZipStyle::kZip64)
    extra = Bytes(1, 2) + Bytes(24, 2) + Bytes(file.bytes.size(), 8) + Bytes(file.bytes.size(), 8) +
            Bytes(offset, 8);
  const std::uint64_t short_offset = style == ZipStyle::kZip64 ? kSee64 : offset;
  return Bytes(0x02014b50, 4) + Bytes(20, 2) + Bytes(20, 2) + CommonHeader(file, style) +
         Bytes(extra.size(), 2) + Bytes(0, 2) + Bytes(0, 2) + Bytes(0, 2) + Bytes(0, 4) +
         Bytes(short_offset, 4) + file.name + extra;
}

std::string PlainEnd(std::uint64_t entries, std::uint64_t size, std::uint64_t offset) {
  return Bytes(0x06054b50, 4) + Bytes(0, 4) + Bytes(entries, 2) + Bytes(entries, 2) +
         Bytes(size, 4) + Bytes(offset, 4) + Bytes(0, 2);
}

std::string Zip64End(std::uint64_t entries, std::uint64_t size, std::uint64_t offset) {
  return Bytes(0x06064b50, 4) + Bytes(44, 8) + Bytes(45, 2) + Bytes(45, 2) + Bytes(0, 8) +
         Bytes(entries, 8) + Bytes(entries, 8) + Bytes(size, 8) + Bytes(offset, 8) +
         Bytes(0x07064b50, 4) + Bytes(0, 4) + Bytes(offset + size, 8) + Bytes(1, 4) +
         PlainEnd(0xffff, kSee64, kSee64);
}

}  // namespace

std::string ZipBytes(const std::vector<ZipFile>& files, ZipStyle style) {
  std::string archive;
  std::string directory;
  for (const ZipFile& file : files) {
    directory += DirectoryEntry(file, archive.size(), style);
    archive += LocalHeader(file) + file.bytes;
  }
  const std::uint64_t offset = archive.size();
  archive += directory;
  return archive + (style == ZipStyle::kZip64 ? Zip64End(files.size(), directory.size(), offset)
                                              : PlainEnd(files.size(), directory.size(), offset));
}

PickleWriter& PickleWriter::Raw(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

PickleWriter& PickleWriter::Proto(int protocol) {
  return Raw("\x80").Raw(Bytes(static_cast<std::uint64_t>(protocol), 1));
}

PickleWriter& PickleWriter::Global(std::string_view module, std::string_view name) {
  return Raw("c").Raw(module).Raw("\n").Raw(name).Raw("\n");
}

PickleWriter& PickleWriter::String(std::string_view text) {
  return Raw("X").Raw(Bytes(text.size(), 4)).Raw(text);
}

PickleWriter& PickleWriter::Int(std::int64_t value) {
  return Raw("\x8a\x08").Raw(Bytes(static_cast<std::uint64_t>(value), 8));
}

PickleWriter& PickleWriter::Ints(const std::vector<std::int64_t>& values) {
  Raw("(");
  for (const std::int64_t value : values) Int(value);
  return Raw("t");
}

PickleWriter& PickleWriter::OrderedDict() { return Global("collections", "OrderedDict").Raw(")R"); }

PickleWriter& PickleWriter::Tensor(const TensorText& tensor) {
  Global("torch._utils", "_rebuild_tensor_v2").Raw("((").String("storage");
  Global("torch", tensor.storage_type).String(tensor.key).String("cpu");
  Int(tensor.storage_elements).Raw("tQ").Int(tensor.offset);
  return Ints(tensor.shape).Ints(tensor.strides).Raw("\x89").OrderedDict().Raw("tR");
}

std::string OneTensorPickle(const PickleWriter::TensorText& tensor) {
  return PickleWriter().Proto().OrderedDict().String("weight").Tensor(tensor).Raw("s").Finish();
}

std::vector<ZipFile> TorchFiles(std::string pickle, const std::vector<std::string>& storages) {
  std::vector<ZipFile> files = {{"model/data.pkl", std::move(pickle)},
                                {"model/byteorder", "little"},
                                {"model/version", "3\n"}};
  for (std::size_t i = 0; i < storages.size(); ++i)
    files.push_back({"model/data/" + std::to_string(i), storages[i]});
  return files;
}

}  // namespace lockstep
