#include "partition/checkpoint/formats/safetensors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "core/json.h"

namespace lockstep {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::string_view kRemedy = "download the file again";

struct FileType {
  std::string_view name;
  std::uint64_t bits;
  std::optional<DType> dtype;
};

constexpr std::array kFileTypes = {
    FileType{"F64", 64, DType::kF64},
    FileType{"F32", 32, DType::kF32},
    FileType{"F16", 16, DType::kF16},
    FileType{"BF16", 16, DType::kBF16},
    // Known, so that their sizes can be checked, but never read: masks and other old buffers.
    FileType{"BOOL", 8, {}},
    FileType{"U8", 8, {}},
    FileType{"I8", 8, {}},
    FileType{"U16", 16, {}},
    FileType{"I16", 16, {}},
    FileType{"U32", 32, {}},
    FileType{"I32", 32, {}},
    FileType{"U64", 64, {}},
    FileType{"I64", 64, {}},
    FileType{"C64", 64, {}},
    FileType{"F8_E5M2", 8, {}},
    FileType{"F8_E4M3", 8, {}},
    FileType{"F8_E8M0", 8, {}},
    FileType{"F6_E2M3", 6, {}},
    FileType{"F6_E3M2", 6, {}},
    FileType{"F4", 4, {}},
};

// Where an entry of the header claims to lie, relative to the data section.
struct Claim {
  std::uint64_t begin;
  std::uint64_t end;
  StoredTensor tensor;
};

std::string Place(std::string_view where, std::string_view name) {
  return fmt::format("{}: tensor {}", where, Quoted(name));
}

const Json& Member(const Json& entry, const char* key, std::string_view place) {
  const auto found = entry.find(key);
  if (found == entry.end())
    throw BadInput("{} has no \"{}\"; expected dtype, shape and data_offsets; {}", place, key,
                   kRemedy);
  return *found;
}

const FileType& TypeOf(const Json& entry, std::string_view place) {
  const Json& word = Member(entry, "dtype", place);
  if (word.is_string()) {
    const auto& name = word.get_ref<const std::string&>();
    for (const FileType& type : kFileTypes)
      if (type.name == name) return type;
  }
  throw BadInput(
      "{} has the dtype {}, which safetensors does not define; convert it to F32, F16 or "
      "BF16",
      place, Quoted(DumpJson(word)));
}

std::vector<std::uint64_t> Numbers(const Json& entry, const char* key, std::string_view place) {
  const Json& list = Member(entry, key, place);
  const bool valid = list.is_array() && std::all_of(list.begin(), list.end(), [](const Json& n) {
                       return n.is_number_unsigned() &&
                              n.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max();
                     });
  if (!valid)
    throw BadInput("{} has the {} {}; expected a list of whole numbers; {}", place, key,
                   Quoted(DumpJson(list)), kRemedy);
  return list.get<std::vector<std::uint64_t>>();
}

// Bytes of a tensor. Throws when the product overflows or is no whole number of bytes.
std::uint64_t SizeInBytes(const std::vector<std::uint64_t>& shape, const FileType& type,
                          std::string_view place) {
  std::uint64_t elements = 1;
  std::uint64_t bits = 0;
  bool overflow = false;
  for (const std::uint64_t extent : shape)
    overflow |= __builtin_mul_overflow(elements, extent, &elements);
  overflow |= __builtin_mul_overflow(elements, type.bits, &bits);
  if (overflow || bits % 8 != 0)
    throw BadInput("{} has a shape of more elements than can be counted, or of a broken byte; {}",
                   place, kRemedy);
  return bits / 8;
}

Claim ParseEntry(const std::string& name, const Json& entry, std::string_view where) {
  const std::string place = Place(where, name);
  if (!entry.is_object())
    throw BadInput("{} is described by {}; expected an object; {}", place, Quoted(DumpJson(entry)),
                   kRemedy);
  const FileType& type = TypeOf(entry, place);
  const auto shape = Numbers(entry, "shape", place);
  const auto offsets = Numbers(entry, "data_offsets", place);
  if (offsets.size() != 2 || offsets[0] > offsets[1])
    throw BadInput("{} has the data_offsets [{}]; expected [begin, end]; {}", place,
                   fmt::join(offsets, ", "), kRemedy);
  const std::uint64_t expected = SizeInBytes(shape, type, place);
  if (offsets[1] - offsets[0] != expected)
    throw BadInput("{} of type {} and shape [{}] has {} bytes of data; expected {}; {}", place,
                   type.name, fmt::join(shape, ", "), offsets[1] - offsets[0], expected, kRemedy);
  StoredTensor tensor{.name = name,
                      .type = std::string(type.name),
                      .dtype = type.dtype,
                      .shape = {shape.begin(), shape.end()},
                      .strides = std::vector<std::int64_t>(shape.size(), 1)};
  // The product cannot overflow unless an extent is 0, and then no stride is ever used.
  for (std::size_t axis = shape.size(); axis-- > 1 && expected != 0;)
    tensor.strides[axis - 1] = tensor.strides[axis] * tensor.shape[axis];
  return {offsets[0], offsets[1], std::move(tensor)};
}

void CheckMetadata(const Json& metadata, std::string_view where) {
  const bool valid =
      metadata.is_object() && std::all_of(metadata.begin(), metadata.end(),
                                          [](const Json& value) { return value.is_string(); });
  if (!valid)
    throw BadInput("{}: __metadata__ is {}; expected an object of strings; {}", where,
                   Quoted(DumpJson(metadata)), kRemedy);
}

// The JSON header's length, checked against the rules and the file.
std::uint64_t HeaderLength(std::span<const std::byte> bytes, std::string_view where) {
  if (bytes.size() < kLengthBytes)
    throw BadInput("{}: has {} bytes; expected at least the 8 of a safetensors header length; {}",
                   where, bytes.size(), kRemedy);
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;)
    length = length << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  if (length > kMaxHeaderBytes)
    throw BadInput(
        "{}: claims a header of {} bytes; safetensors allows at most {}; the file is "
        "damaged or no safetensors file; {}",
        where, length, kMaxHeaderBytes, kRemedy);
  if (length > bytes.size() - kLengthBytes)
    throw BadInput("{}: claims a header of {} bytes, but only {} follow: the file is truncated; {}",
                   where, length, bytes.size() - kLengthBytes, kRemedy);
  return length;
}

// Checks that the claims tile [0, data_bytes) and turns them into places in the file.
std::vector<StoredTensor> PlaceTensors(std::vector<Claim> claims, std::uint64_t data_offset,
                                       std::uint64_t data_bytes, std::string_view where) {
  std::sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::vector<StoredTensor> tensors;
  tensors.reserve(claims.size());
  std::uint64_t position = 0;
  for (Claim& claim : claims) {
    if (claim.begin != position)
      throw BadInput(
          "{} begins at byte {} of the data, {} the end of the one before it at byte {}; "
          "expected neither holes nor overlaps; {}",
          Place(where, claim.tensor.name), claim.begin,
          claim.begin < position ? "overlapping" : "leaving a hole after", position, kRemedy);
    position = claim.end;
    claim.tensor.offset = data_offset + claim.begin;
    tensors.push_back(std::move(claim.tensor));
  }
  if (position != data_bytes)
    throw BadInput("{}: the header describes {} bytes of data, but the file holds {}: it is {}; {}",
                   where, position, data_bytes,
                   position > data_bytes ? "truncated" : "followed by foreign bytes", kRemedy);
  return tensors;
}

}  // namespace

std::vector<StoredTensor> ParseSafetensors(std::span<const std::byte> bytes,
                                           std::string_view where) {
  RefuseGitLfsPointer(bytes, where);
  const std::uint64_t length = HeaderLength(bytes, where);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  if (!text.starts_with('{'))
    throw BadInput(
        "{}: the header does not start with '{{'; the file is damaged or no safetensors "
        "file; {}",
        where, kRemedy);
  const Json header = ParseJson(text, fmt::format("{} (header)", where));
  std::vector<Claim> claims;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      CheckMetadata(entry, where);
    } else {
      claims.push_back(ParseEntry(name, entry, where));
    }
  }
  const std::uint64_t data_offset = kLengthBytes + length;
  return PlaceTensors(std::move(claims), data_offset, bytes.size() - data_offset, where);
}

TensorFile OpenSafetensors(const std::filesystem::path& path) {
  return OpenTensorFile(path, ParseSafetensors);
}

}  // namespace lockstep
