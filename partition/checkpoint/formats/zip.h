#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// A file stored without compression in a zip archive.
struct ZipEntry {
  std::string name;
  std::uint64_t offset = 0;  // of its bytes, from the beginning of the archive
  std::uint64_t size = 0;
};

// The entries of a zip archive, zip64 or not, in the order of its central directory. Reads what
// PyTorch writes: one disk, nothing compressed or encrypted. Every entry is checked to lie between
// the archive's beginning and its central directory. Checksums are not verified: that would read
// every weight.
//   bytes  the whole archive; only the directory and the entries' headers are touched
//   where  the file's name, for messages
// Throws BadInput for anything else.
std::vector<ZipEntry> ParseZip(std::span<const std::byte> bytes, std::string_view where);

}  // namespace lockstep
