#pragma once

#include <cstddef>
#include <string_view>

namespace lockstep {

// Splits text into the words that byte-pair merging never crosses, as the GPT-2 expression
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// does. Every byte of the text belongs to exactly one word.
//
// Returns the end of the word that starts at `begin`. `text` is valid UTF-8, begin < text.size().
// Time is proportional to the word and the white space after it, so splitting is linear.
std::size_t WordEnd(std::string_view text, std::size_t begin);

}  // namespace lockstep
