#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/error.h"

namespace lockstep {

// Reads little-endian numbers and text from the front of a range of bytes and never past its end.
class ByteReader {
 public:
  // where and what ("the pickle", "the zip directory") go into the message when bytes run out;
  // both must outlive the reader.
  ByteReader(std::span<const std::byte> bytes, std::string_view where, std::string_view what)
      : bytes_(bytes), where_(where), what_(what) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  std::uint8_t U8() { return static_cast<std::uint8_t>(Number(1)); }
  std::uint16_t U16() { return static_cast<std::uint16_t>(Number(2)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Number(4)); }
  std::uint64_t U64() { return Number(8); }

  // The next `size` bytes, as text that lives as long as the bytes do.
  std::string_view Text(std::uint64_t size) {
    Require(size);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + position_, size);
    position_ += size;
    return text;
  }

  // The text before the next newline, which is consumed too.
  std::string_view Line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_,
                                remaining());
    const std::size_t length = rest.find('\n');
    Require(length == std::string_view::npos ? remaining() + 1 : length + 1);
    position_ += length + 1;
    return rest.substr(0, length);
  }

  void Skip(std::uint64_t size) { Text(size); }

 private:
  // A number of `size` bytes, least significant first.
  std::uint64_t Number(std::size_t size) {
    Require(size);
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;)
      value = value << 8 | std::to_integer<std::uint64_t>(bytes_[position_ + i]);
    position_ += size;
    return value;
  }

  void Require(std::uint64_t size) const {
    if (size > remaining())
      throw BadInput(
          "{}: {} ends at its byte {}, where more was expected: the file is truncated or "
          "damaged; download it again",
          where_, what_, bytes_.size());
  }

  std::span<const std::byte> bytes_;
  std::string_view where_;
  std::string_view what_;
  std::size_t position_ = 0;
};

}  // namespace lockstep
