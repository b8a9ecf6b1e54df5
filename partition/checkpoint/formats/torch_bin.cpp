#include "partition/checkpoint/formats/torch_bin.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/error.h"
#include "partition/checkpoint/foreign_weights.h"
#include "partition/checkpoint/formats/state_dict.h"
#include "partition/checkpoint/formats/zip.h"

namespace lockstep {
namespace {

struct StorageType {
  std::string_view name;
  std::uint64_t element_bytes;
  std::optional<DType> dtype;
};

constexpr std::array kStorageTypes = {
    StorageType{"DoubleStorage", 8, DType::kF64},
    StorageType{"FloatStorage", 4, DType::kF32},
    StorageType{"HalfStorage", 2, DType::kF16},
    StorageType{"BFloat16Storage", 2, DType::kBF16},
    // Known, so that their bounds can be checked, but never read: masks and other old buffers.
    StorageType{"BoolStorage", 1, {}},
    StorageType{"ByteStorage", 1, {}},
    StorageType{"CharStorage", 1, {}},
    StorageType{"ShortStorage", 2, {}},
    StorageType{"IntStorage", 4, {}},
    StorageType{"LongStorage", 8, {}},
    StorageType{"ComplexFloatStorage", 8, {}},
    StorageType{"ComplexDoubleStorage", 16, {}},
};

std::span<const std::byte> BytesOf(std::span<const std::byte> file, const ZipEntry& entry) {
  return file.subspan(entry.offset, entry.size);
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Before 1.6, torch.save wrote a row of pickles, the first of which is the magic number
// 0x1950a86a20f9469cfc6c as a long of ten bytes.
void RefuseLegacyFile(std::span<const std::byte> bytes, std::string_view where) {
  constexpr std::string_view kStart = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  if (AsText(bytes).starts_with(kStart))
    throw BadInput(
        "{}: was saved in PyTorch's format from before 1.6; expected the zip format; "
        "load it with PyTorch and save it again with torch >= 1.6, or convert it to "
        "safetensors",
        where);
}

class TorchArchive {
 public:
  TorchArchive(std::span<const std::byte> bytes, std::string_view where)
      : bytes_(bytes), where_(where) {
    for (ZipEntry& entry : ParseZip(bytes, where)) {
      std::string name = entry.name;
      entries_.emplace(std::move(name), std::move(entry));
    }
    root_ = FindRoot();
    RefuseForeignArchive();
  }

  std::vector<StoredTensor> Tensors() const {
    std::vector<StoredTensor> tensors;
    for (StateDictTensor& tensor : ParseStateDict(BytesOf(bytes_, *Find("data.pkl")), where_))
      tensors.push_back(Place(std::move(tensor)));
    return tensors;
  }

 private:
  const ZipEntry* Find(std::string_view name) const {
    const auto found = entries_.find(fmt::format("{}/{}", root_, name));
    return found == entries_.end() ? nullptr : &found->second;
  }

  // The one folder that everything in the archive lies in; torch.save names it after the file.
  std::string FindRoot() const {
    constexpr std::string_view kPickle = "/data.pkl";
    std::string root;
    for (const auto& [name, entry] : entries_) {
      if (!name.ends_with(kPickle) || name.find('/') != name.size() - kPickle.size()) continue;
      if (!root.empty())
        throw BadInput("{}: holds data.pkl in both {} and {}; expected one; download it again",
                       where_, Quoted(root), Quoted(name));
      root = name.substr(0, name.size() - kPickle.size());
    }
    if (root.empty())
      throw BadInput(
          "{}: is a zip archive without a data.pkl; expected a file written by "
          "torch.save; download it again or convert it to safetensors",
          where_);
    return root;
  }

  void RefuseForeignArchive() const {
    if (Find("constants.pkl") != nullptr)
      throw BadInput(
          "{}: is a TorchScript archive; expected weights; save model.state_dict() with "
          "torch.save",
          where_);
    const ZipEntry* order = Find("byteorder");
    if (order == nullptr) return;  // PyTorch before 2.1 did not write it
    const std::string_view text = AsText(BytesOf(bytes_, *order));
    if (text != "little")
      throw BadInput("{}: the byte order is {}; expected \"little\"; convert it to safetensors",
                     where_, Quoted(text));
  }

  StoredTensor Place(StateDictTensor tensor) const {
    const std::string place = fmt::format("{}: tensor {}", where_, Quoted(tensor.name));
    const StorageType& type = TypeOf(tensor, place);
    const ZipEntry& storage = StorageOf(tensor, type, place);
    CheckWindow(tensor, place);
    const auto first = static_cast<std::uint64_t>(tensor.storage_offset) * type.element_bytes;
    return {.name = std::move(tensor.name),
            .type = std::move(tensor.storage_type),
            .dtype = type.dtype,
            .shape = std::move(tensor.shape),
            .strides = std::move(tensor.strides),
            .offset = storage.offset + first};
  }

  static const StorageType& TypeOf(const StateDictTensor& tensor, std::string_view place) {
    const auto type =
        std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                     [&](const StorageType& known) { return known.name == tensor.storage_type; });
    if (const auto program = QuantiserOf(tensor.storage_type); !program.empty())
      throw BadInput("{} lies in a {}: the weights are quantised (by {}); {}", place,
                     Quoted(tensor.storage_type), program, kQuantisedRemedy);
    if (type == kStorageTypes.end())
      throw BadInput(
          "{} lies in a {}, which is not known; expected a DoubleStorage, FloatStorage, "
          "HalfStorage or BFloat16Storage; convert it to one of these",
          place, Quoted(tensor.storage_type));
    return *type;
  }

  const ZipEntry& StorageOf(const StateDictTensor& tensor, const StorageType& type,
                            std::string_view place) const {
    const ZipEntry* storage = Find("data/" + tensor.storage_key);
    if (storage == nullptr)
      throw BadInput(
          "{} lies in the storage {}, which the archive does not hold; the file is "
          "damaged; download it again",
          place, Quoted(tensor.storage_key));
    const std::uint64_t held = storage->size / type.element_bytes;
    if (static_cast<std::uint64_t>(tensor.storage_elements) > held)
      throw BadInput(
          "{} lies in the storage {} of {} elements, but the archive holds {}; the file "
          "is truncated; download it again",
          place, Quoted(tensor.storage_key), tensor.storage_elements, held);
    return *storage;
  }

  // Checks that the window from the offset over all extents stays within the storage, and that
  // the number of elements can be counted.
  static void CheckWindow(const StateDictTensor& tensor, std::string_view place) {
    std::int64_t elements = 1;
    std::int64_t last = tensor.storage_offset;
    bool overflow = false;
    for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      overflow |= __builtin_mul_overflow(elements, tensor.shape[axis], &elements);
      std::int64_t reach = 0;
      overflow |= tensor.shape[axis] > 0 &&
                  __builtin_mul_overflow(tensor.shape[axis] - 1, tensor.strides[axis], &reach);
      overflow |= __builtin_add_overflow(last, reach, &last);
    }
    const std::int64_t end = elements == 0 ? tensor.storage_offset : last;
    const bool fits =
        elements == 0 ? end <= tensor.storage_elements : end < tensor.storage_elements;
    if (overflow || !fits)
      throw BadInput(
          "{} of shape {} and strides {} from element {} reaches past its storage of {} "
          "elements; the file is damaged; download it again",
          place, ShapeText(tensor.shape), ShapeText(tensor.strides), tensor.storage_offset,
          tensor.storage_elements);
  }

  std::span<const std::byte> bytes_;
  std::string_view where_;
  std::map<std::string, ZipEntry> entries_;
  std::string root_;
};

}  // namespace

std::vector<StoredTensor> ParseTorchBin(std::span<const std::byte> bytes, std::string_view where) {
  RefuseGitLfsPointer(bytes, where);
  RefuseLegacyFile(bytes, where);
  return TorchArchive(bytes, where).Tensors();
}

TensorFile OpenTorchBin(const std::filesystem::path& path) {
  return OpenTensorFile(path, ParseTorchBin);
}

}  // namespace lockstep
