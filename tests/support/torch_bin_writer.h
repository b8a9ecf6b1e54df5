#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Zip archives, pickles and PyTorch files by hand, right or wrong, byte by byte.

struct ZipFile {
  std::string name;
  std::string bytes;
  std::uint16_t method = 0;  // 0 stored, 8 deflated
  std::uint16_t flags = 0;   // 1 encrypted
};

enum class ZipStyle {
  kPlain,
  kZip64  // sizes and offsets in the 64-bit records throughout
};

std::string ZipBytes(const std::vector<ZipFile>& files, ZipStyle style = ZipStyle::kPlain);

// A pickle, opcode by opcode.
class PickleWriter {
 public:
  PickleWriter& Raw(std::string_view bytes);
  PickleWriter& Proto(int protocol = 2);
  PickleWriter& Global(std::string_view module, std::string_view name);
  PickleWriter& String(std::string_view text);
  PickleWriter& Int(std::int64_t value);
  PickleWriter& Ints(const std::vector<std::int64_t>& values);  // a tuple
  // OrderedDict(), as the start of a state dict.
  PickleWriter& OrderedDict();

  struct TensorText {
    std::string storage_type = "FloatStorage";
    std::string key = "0";
    std::int64_t storage_elements = 4;
    std::int64_t offset = 0;
    std::vector<std::int64_t> shape = {2, 2};
    std::vector<std::int64_t> strides = {2, 1};
  };
  // A call of _rebuild_tensor_v2.
  PickleWriter& Tensor(const TensorText& tensor);

  // With the final STOP.
  std::string Finish() const { return bytes_ + "."; }

 private:
  std::string bytes_;
};

// The pickle of {"weight": tensor}.
std::string OneTensorPickle(const PickleWriter::TensorText& tensor);

// The files of a PyTorch archive with this pickle and storages data/0, data/1, …
std::vector<ZipFile> TorchFiles(std::string pickle, const std::vector<std::string>& storages);

}  // namespace lockstep
