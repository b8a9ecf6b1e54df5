#include "partition/checkpoint/formats/zip.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "core/error.h"
#include "partition/checkpoint/formats/byte_reader.h"
#include "partition/checkpoint/formats/tensor_file.h"

// Written after APPNOTE.TXT 6.3.10 (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT):
// 4.3.7 local file header, 4.3.12 central directory, 4.3.14 to 4.3.16 its end, 4.5.3 zip64.

namespace lockstep {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kDirectoryEntry = 0x02014b50;
constexpr std::uint32_t kZip64DirectoryEnd = 0x06064b50;
constexpr std::uint32_t kZip64Locator = 0x07064b50;
constexpr std::size_t kDirectoryEndBytes = 22;
constexpr std::size_t kZip64LocatorBytes = 20;
constexpr std::size_t kLocalHeaderBytes = 30;
constexpr std::uint16_t kZip64Extra = 1;
constexpr std::uint16_t kEncryptedFlag = 1;
// A field of all ones says: look in the zip64 record.
constexpr std::uint64_t kSee64Short = 0xffff;
constexpr std::uint32_t kSee64 = 0xffffffff;

constexpr std::string_view kRemedy = "the file is truncated or damaged; download it again";

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t entries = 0;
};

// An entry as the central directory describes it.
struct Listing {
  std::string name;
  std::uint64_t size = 0;
  std::uint64_t header_offset = 0;
};

class ZipParser {
 public:
  ZipParser(std::span<const std::byte> bytes, std::string_view where)
      : bytes_(bytes), where_(where) {}

  std::vector<ZipEntry> Parse() {
    const std::size_t end = FindDirectoryEnd();
    const Directory directory = ReadDirectoryEnd(end);
    if (directory.offset > end || directory.size > end - directory.offset)
      throw BadInput(
          "{}: the zip directory claims {} bytes from byte {} of an archive that ends at "
          "byte {}; {}",
          where_, directory.size, directory.offset, end, kRemedy);
    ByteReader reader(bytes_.subspan(directory.offset, directory.size), where_,
                      "the zip directory");
    std::vector<ZipEntry> entries;
    std::unordered_set<std::string> names;
    for (std::uint64_t i = 0; i < directory.entries; ++i) {
      const Listing listing = ReadListing(reader);
      if (!names.insert(listing.name).second)
        throw BadInput("{}: the zip archive holds {} twice; expected it once; {}", where_,
                       Quoted(listing.name), kRemedy);
      entries.push_back(Locate(listing, directory.offset));
    }
    return entries;
  }

 private:
  // A reader at `offset`, which must leave at least `size` bytes.
  ByteReader At(std::uint64_t offset, std::size_t size, std::string_view what) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size)
      throw BadInput("{}: {} is said to lie at byte {} of {}; {}", where_, what, offset,
                     bytes_.size(), kRemedy);
    return {bytes_.subspan(offset), where_, what};
  }

  // The end record stands last, with a comment whose length it names. Demanding that the comment
  // ends with the file leaves no room for a second opinion.
  std::size_t FindDirectoryEnd() const {
    constexpr std::string_view kSignature = "PK\x05\x06";
    constexpr std::size_t kLongestComment = 0xffff;
    const std::size_t longest = std::min(bytes_.size(), kDirectoryEndBytes + kLongestComment);
    const auto tail_bytes = bytes_.last(longest);
    const std::string_view tail(reinterpret_cast<const char*>(tail_bytes.data()), longest);
    for (std::size_t at = tail.rfind(kSignature); at != std::string_view::npos;
         at = at == 0 ? std::string_view::npos : tail.rfind(kSignature, at - 1)) {
      if (longest - at < kDirectoryEndBytes) continue;
      ByteReader reader(tail_bytes.subspan(at + 20), where_, "the zip directory's end");
      if (reader.U16() == reader.remaining()) return bytes_.size() - longest + at;
    }
    throw BadInput(
        "{}: has no zip directory at its end; expected a PyTorch file, which is a zip archive; {}",
        where_, kRemedy);
  }

  Directory ReadDirectoryEnd(std::size_t offset) const {
    ByteReader reader = At(offset, kDirectoryEndBytes, "the zip directory's end");
    reader.Skip(4);
    const std::uint16_t disk = reader.U16();
    const std::uint16_t directory_disk = reader.U16();
    const std::uint64_t disk_entries = reader.U16();
    const std::uint64_t entries = reader.U16();
    const std::uint32_t size = reader.U32();
    const std::uint32_t directory_offset = reader.U32();
    if (disk_entries == kSee64Short || entries == kSee64Short || size == kSee64 ||
        directory_offset == kSee64)
      return ReadZip64DirectoryEnd(offset);
    RequireOneDisk(disk | directory_disk, entries - disk_entries);
    return {directory_offset, size, entries};
  }

  Directory ReadZip64DirectoryEnd(std::size_t end) const {
    if (end < kZip64LocatorBytes)
      throw BadInput("{}: the zip64 directory's end is missing; {}", where_, kRemedy);
    ByteReader locator = At(end - kZip64LocatorBytes, kZip64LocatorBytes, "the zip64 locator");
    if (locator.U32() != kZip64Locator)
      throw BadInput("{}: the zip64 directory's end is missing; {}", where_, kRemedy);
    locator.Skip(4);
    ByteReader reader = At(locator.U64(), 56, "the zip64 directory's end");
    if (reader.U32() != kZip64DirectoryEnd)
      throw BadInput("{}: the zip64 directory's end is not where it should be; {}", where_,
                     kRemedy);
    reader.Skip(12);  // its own size and the versions
    const std::uint32_t disk = reader.U32();
    const std::uint32_t directory_disk = reader.U32();
    const std::uint64_t disk_entries = reader.U64();
    const std::uint64_t entries = reader.U64();
    const std::uint64_t size = reader.U64();
    RequireOneDisk(disk | directory_disk, entries - disk_entries);
    return {reader.U64(), size, entries};
  }

  void RequireOneDisk(std::uint32_t disks, std::uint64_t entries_elsewhere) const {
    if (disks != 0 || entries_elsewhere != 0)
      throw BadInput("{}: is a zip archive over several disks; expected a single file; {}", where_,
                     kRemedy);
  }

  Listing ReadListing(ByteReader& reader) const {
    if (reader.U32() != kDirectoryEntry)
      throw BadInput("{}: the zip directory holds no entry where one should be; {}", where_,
                     kRemedy);
    reader.Skip(4);  // versions
    const std::uint16_t flags = reader.U16();
    const std::uint16_t method = reader.U16();
    reader.Skip(8);  // time and checksum
    std::uint64_t compressed = reader.U32();
    std::uint64_t size = reader.U32();
    const std::uint16_t name_size = reader.U16();
    const std::uint16_t extra_size = reader.U16();
    const std::uint16_t comment_size = reader.U16();
    reader.Skip(8);  // disk and attributes
    std::uint64_t offset = reader.U32();
    std::string name(reader.Text(name_size));
    ReadZip64Extra(reader.Text(extra_size), {&size, &compressed, &offset});
    reader.Skip(comment_size);
    if ((flags & kEncryptedFlag) != 0)
      throw BadInput("{}: {} is encrypted; expected a file written by torch.save", where_,
                     Quoted(name));
    if (method != 0 || compressed != size)
      throw BadInput(
          "{}: {} is compressed (zip method {}); torch.save stores files as they are, so "
          "the archive was packed again; load it with PyTorch and save it with "
          "torch.save, or convert it to safetensors",
          where_, Quoted(name), method);
    return {std::move(name), size, offset};
  }

  // The extra field holds a 64-bit value for each of `fields`, in this order, that is all ones.
  void ReadZip64Extra(std::string_view extra, std::initializer_list<std::uint64_t*> fields) const {
    ByteReader reader(std::as_bytes(std::span(extra)), where_, "a zip entry's extra field");
    // Fewer than four bytes are no record but padding, which some writers leave.
    while (reader.remaining() >= 4) {
      const std::uint16_t id = reader.U16();
      const std::string_view body = reader.Text(reader.U16());
      if (id != kZip64Extra) continue;
      ByteReader values(std::as_bytes(std::span(body)), where_, "a zip entry's zip64 field");
      for (std::uint64_t* field : fields)
        if (*field == kSee64) *field = values.U64();
      return;
    }
  }

  // Follows a listing to its local header and past it, to the bytes.
  ZipEntry Locate(const Listing& listing, std::uint64_t directory_offset) const {
    ByteReader reader = At(listing.header_offset, kLocalHeaderBytes, "a zip entry's header");
    const bool is_header = reader.U32() == kLocalHeader;
    reader.Skip(22);
    const std::uint16_t name_size = reader.U16();
    const std::uint16_t extra_size = reader.U16();
    if (!is_header || reader.Text(name_size) != listing.name)
      throw BadInput("{}: the zip directory and the header at byte {} disagree about {}; {}",
                     where_, listing.header_offset, Quoted(listing.name), kRemedy);
    const std::uint64_t offset = listing.header_offset + kLocalHeaderBytes + name_size + extra_size;
    if (offset > directory_offset || listing.size > directory_offset - offset)
      throw BadInput("{}: {} claims {} bytes from byte {}, past the zip directory at byte {}; {}",
                     where_, Quoted(listing.name), listing.size, offset, directory_offset, kRemedy);
    return {listing.name, offset, listing.size};
  }

  std::span<const std::byte> bytes_;
  std::string_view where_;
};

}  // namespace

std::vector<ZipEntry> ParseZip(std::span<const std::byte> bytes, std::string_view where) {
  return ZipParser(bytes, where).Parse();
}

}  // namespace lockstep
