#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

// What stands at the front of some bytes.
//   kValid       one character of `length` bytes
//   kInvalid     `length` bytes that no further byte can complete; one U+FFFD stands for them
//   kIncomplete  all `length` bytes are the beginning of a character whose end is missing
enum class Utf8Kind { kValid, kInvalid, kIncomplete };

struct Utf8Prefix {
  Utf8Kind kind;
  std::size_t length;  // 1 to 4
};

// `bytes` is not empty. Overlong forms, surrogates and code points past U+10FFFF are invalid.
Utf8Prefix ScanUtf8(std::string_view bytes);

// Offset of the first byte that does not belong to a valid character; nullopt when all do.
std::optional<std::size_t> FindInvalidUtf8(std::string_view bytes);

struct CodePointAt {
  char32_t code_point;
  std::size_t length;  // bytes
};

// The character that starts at text[position]; `text` is valid UTF-8 and position < text.size().
inline CodePointAt DecodeUtf8(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[position + i]));
  };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F),
          4};
}

void AppendUtf8(char32_t code_point, std::string& text);

enum class Utf8Tail { kHold, kReplace };

// Appends `bytes` to `text`, U+FFFD in place of each invalid sequence. An incomplete character at
// the end is replaced too, or held back. Returns how many bytes were dealt with.
std::size_t AppendLossyUtf8(std::string_view bytes, Utf8Tail tail, std::string& text);

}  // namespace lockstep
