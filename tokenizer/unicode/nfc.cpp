#include "tokenizer/unicode/nfc.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

struct Character {
  char32_t code_point;
  std::uint8_t combining_class;
};

// Marks between two starters, in the order of their classes; equal classes keep their order.
void SortMarks(std::vector<Character>& characters) {
  const auto is_starter = [](const Character& c) { return c.combining_class == 0; };
  auto begin = characters.begin();
  while (begin != characters.end()) {
    const auto marks = std::find_if_not(begin, characters.end(), is_starter);
    const auto end = std::find_if(marks, characters.end(), is_starter);
    std::stable_sort(marks, end, [](const Character& a, const Character& b) {
      return a.combining_class < b.combining_class;
    });
    begin = end;
  }
}

// Joins each character to the last starter where nothing between them blocks it.
void AppendComposed(const std::vector<Character>& characters, std::string& out) {
  const UnicodeTables& tables = UnicodeTables::Get();
  std::vector<char32_t> composed;
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t starter = kNone;
  int last_class = -1;  // of what was kept since the starter; -1 when nothing was
  for (const Character& c : characters) {
    const bool blocked = starter == kNone || last_class >= c.combining_class;
    const char32_t joined = blocked ? 0 : tables.Compose(composed[starter], c.code_point);
    if (joined != 0) {
      composed[starter] = joined;
      continue;
    }
    composed.push_back(c.code_point);
    last_class = c.combining_class;
    if (c.combining_class == 0) {
      starter = composed.size() - 1;
      last_class = -1;
    }
  }
  for (const char32_t c : composed) AppendUtf8(c, out);
}

void AppendNormalized(std::string_view segment, std::string& out) {
  const UnicodeTables& tables = UnicodeTables::Get();
  std::vector<char32_t> parts;
  for (std::size_t position = 0; position < segment.size();) {
    const CodePointAt at = DecodeUtf8(segment, position);
    tables.Decompose(at.code_point, parts);
    position += at.length;
  }
  std::vector<Character> characters;
  characters.reserve(parts.size());
  for (const char32_t c : parts) characters.push_back({c, tables.CombiningClass(c)});
  SortMarks(characters);
  AppendComposed(characters, out);
}

// The next place at or after `position` where the text may be cut without changing its NFC.
std::size_t NextBoundary(std::string_view text, std::size_t position) {
  const UnicodeTables& tables = UnicodeTables::Get();
  while (position < text.size()) {
    const CodePointAt at = DecodeUtf8(text, position);
    if (tables.IsNfcBoundary(at.code_point)) break;
    position += at.length;
  }
  return position;
}

}  // namespace

std::string NormalizeNfc(std::string_view text) {
  const UnicodeTables& tables = UnicodeTables::Get();
  std::string out;
  out.reserve(text.size());
  std::size_t copied = 0;    // text before this is in `out`
  std::size_t boundary = 0;  // the last place before `position` where the text may be cut
  for (std::size_t position = 0; position < text.size();) {
    const CodePointAt at = DecodeUtf8(text, position);
    if (tables.IsNfcBoundary(at.code_point)) {
      boundary = position;
      if (tables.IsNfcStable(at.code_point)) {
        position += at.length;
        continue;
      }
    }
    const std::size_t end = NextBoundary(text, position + at.length);
    out.append(text.substr(copied, boundary - copied));
    AppendNormalized(text.substr(boundary, end - boundary), out);
    copied = boundary = position = end;
  }
  out.append(text.substr(copied));
  return out;
}

}  // namespace lockstep
