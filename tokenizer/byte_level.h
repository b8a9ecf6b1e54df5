#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

// The byte-level alphabet of GPT-2: one printable character for each of the 256 bytes, in which
// vocabularies and merges are spelled. Printable bytes of Latin-1 stand for themselves, the others
// are U+0100, U+0101, … in order: a space is "Ġ", a line feed "Ċ".

// The spelling of every byte, as UTF-8.
const std::array<std::string, 256>& ByteSpellings();

// The bytes that a token's spelling stands for; nullopt when a character is outside the alphabet.
// `spelling` is valid UTF-8.
std::optional<std::string> BytesOfSpelling(std::string_view spelling);

}  // namespace lockstep
