#include "tokenizer/byte_level.h"

#include <cstddef>

#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr std::size_t kAlphabetEnd = 0x144;  // 68 bytes have a stand-in

constexpr bool StandsForItself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

struct Alphabet {
  std::array<std::string, 256> spellings;
  std::array<int, kAlphabetEnd> bytes;  // code point to byte, -1 outside the alphabet

  Alphabet() {
    bytes.fill(-1);
    char32_t stand_in = kFirstStandIn;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const char32_t code_point = StandsForItself(byte) ? byte : stand_in++;
      AppendUtf8(code_point, spellings[byte]);
      bytes[code_point] = static_cast<int>(byte);
    }
  }
};

const Alphabet& GetAlphabet() {
  static const Alphabet alphabet;
  return alphabet;
}

}  // namespace

const std::array<std::string, 256>& ByteSpellings() { return GetAlphabet().spellings; }

std::optional<std::string> BytesOfSpelling(std::string_view spelling) {
  const Alphabet& alphabet = GetAlphabet();
  std::string bytes;
  for (std::size_t position = 0; position < spelling.size();) {
    const CodePointAt at = DecodeUtf8(spelling, position);
    if (at.code_point >= kAlphabetEnd || alphabet.bytes[at.code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(alphabet.bytes[at.code_point]));
    position += at.length;
  }
  return bytes;
}

}  // namespace lockstep
