#include "text/python_text.h"

#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

// What Python's str.isspace() takes for one: beside \s four separators of ASCII.
bool IsSpace(char32_t c) {
  return (c >= 0x1C && c <= 0x1F) || UnicodeTables::Get().ClassOf(c) == CharClass::kSpace;
}

bool ContinuesCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::string_view WithoutSpacesAtEnd(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t begin = end - 1;
    while (begin > 0 && ContinuesCharacter(text[begin])) --begin;
    if (!IsSpace(DecodeUtf8(text, begin).code_point)) break;
    end = begin;
  }
  return text.substr(0, end);
}

std::string_view WithoutSpacesAtBeginning(std::string_view text) {
  while (!text.empty()) {
    const CodePointAt first = DecodeUtf8(text, 0);
    if (!IsSpace(first.code_point)) break;
    text.remove_prefix(first.length);
  }
  return text;
}

std::string_view WithoutSpacesAround(std::string_view text) {
  return WithoutSpacesAtBeginning(WithoutSpacesAtEnd(text));
}

std::int64_t CountSplitWords(std::string_view text) {
  std::int64_t words = 1;
  bool in_space = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePointAt one = DecodeUtf8(text, at);
    const bool space = IsSpace(one.code_point);
    words += space && !in_space ? 1 : 0;
    in_space = space;
    at += one.length;
  }
  return words;
}

std::int64_t CountCharacters(std::string_view text) {
  std::int64_t count = 0;
  for (const char byte : text) count += ContinuesCharacter(byte) ? 0 : 1;
  return count;
}

}  // namespace lockstep
