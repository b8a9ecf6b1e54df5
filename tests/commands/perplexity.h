#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// What a text's perplexity is measured in: pieces that fit the bundled models' context, one JSON
// object per line, from so many bytes on.
constexpr std::size_t kPieceBytes = 300;
std::string LinesOfPieces(std::string_view text, std::size_t begin);

// A bundled model's perplexity of these lines, by `lockstep score` with more words; they have more
// than so many tokens.
double Perplexity(const std::string& model, const std::string& lines,
                  const std::vector<std::string>& more, std::int64_t least_tokens);

}  // namespace lockstep
