#include "text/jinja/values/python_text.h"

#include <clocale>
#include <cwctype>

#include <algorithm>

#include "core/error.h"
#include "text/jinja/values/value_text.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep::jinja {
namespace {

// The same mapping whatever LANG and LC_ALL say.
locale_t Unicode() {
  static const locale_t kLocale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (kLocale == nullptr)
    throw EnvironmentError("the locale C.UTF-8 is missing; letters cannot be put in upper case");
  return kLocale;
}

char32_t UpperOf(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  return static_cast<char32_t>(towupper_l(static_cast<wint_t>(c), Unicode()));
}

char32_t LowerOf(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  return static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), Unicode()));
}

bool IsLetter(char32_t c) { return UnicodeTables::Get().ClassOf(c) == CharClass::kLetter; }

template <typename Visit>
void ForEach(std::string_view text, Visit visit) {
  for (std::size_t at = 0; at < text.size();) {
    const auto [c, length] = DecodeUtf8(text, at);
    visit(c);
    at += length;
  }
}

void AppendUpper(char32_t c, std::string& text) {
  if (c == 0xDF) {
    text += "SS";
    return;
  }
  AppendUtf8(UpperOf(c), text);
}

bool Contains(std::string_view chars, char32_t c) {
  bool found = false;
  ForEach(chars, [&](char32_t one) { found |= one == c; });
  return found;
}

// Where the last character of a text begins.
std::size_t LastStart(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

std::vector<std::string> SplitAtSpace(std::string_view text, std::int64_t most) {
  std::vector<std::string> parts;
  for (text = Strip(text, Side::kLeft); !text.empty(); text = Strip(text, Side::kLeft)) {
    if (most >= 0 && std::ssize(parts) == most) {
      parts.emplace_back(text);
      break;
    }
    std::size_t end = 0;
    while (end < text.size()) {
      const auto [c, length] = DecodeUtf8(text, end);
      if (IsPythonSpace(c)) break;
      end += length;
    }
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<std::string> SplitAtSpaceFromRight(std::string_view text, std::int64_t most) {
  std::vector<std::string> parts;
  for (text = Strip(text, Side::kRight); !text.empty(); text = Strip(text, Side::kRight)) {
    if (most >= 0 && std::ssize(parts) == most) {
      parts.emplace_back(text);
      break;
    }
    std::size_t begin = text.size();
    while (begin > 0) {
      const std::size_t last = LastStart(text.substr(0, begin));
      if (IsPythonSpace(DecodeUtf8(text, last).code_point)) break;
      begin = last;
    }
    parts.emplace_back(text.substr(begin));
    text = text.substr(0, begin);
  }
  std::ranges::reverse(parts);
  return parts;
}

bool EndsLine(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

bool IsPythonSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

std::int64_t Characters(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::vector<std::size_t> CharacterStarts(std::string_view text) {
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < text.size(); at += DecodeUtf8(text, at).length)
    starts.push_back(at);
  starts.push_back(text.size());
  return starts;
}

std::string_view Strip(std::string_view text, Side side, std::optional<std::string_view> chars) {
  const auto goes = [&](char32_t c) { return chars ? Contains(*chars, c) : IsPythonSpace(c); };
  while (side != Side::kRight && !text.empty()) {
    const auto [c, length] = DecodeUtf8(text, 0);
    if (!goes(c)) break;
    text.remove_prefix(length);
  }
  while (side != Side::kLeft && !text.empty()) {
    const std::size_t last = LastStart(text);
    if (!goes(DecodeUtf8(text, last).code_point)) break;
    text = text.substr(0, last);
  }
  return text;
}

std::string Upper(std::string_view text) {
  std::string result;
  ForEach(text, [&](char32_t c) { AppendUpper(c, result); });
  return result;
}

std::string Lower(std::string_view text) {
  std::string result;
  ForEach(text, [&](char32_t c) { AppendUtf8(LowerOf(c), result); });
  return result;
}

std::string Capitalize(std::string_view text) {
  if (text.empty()) return "";
  const std::size_t first = DecodeUtf8(text, 0).length;
  return Title(text.substr(0, first)) + Lower(text.substr(first));
}

std::string Title(std::string_view text) {
  std::string result;
  bool within = false;
  ForEach(text, [&](char32_t c) {
    if (within)
      AppendUtf8(LowerOf(c), result);
    else if (c == 0xDF)
      result += "Ss";
    else
      AppendUtf8(UpperOf(c), result);
    within = IsLetter(c);
  });
  return result;
}

std::vector<std::string> Split(std::string_view text, std::optional<std::string_view> separator,
                               std::int64_t most) {
  if (!separator) return SplitAtSpace(text, most);
  std::vector<std::string> parts;
  while (most < 0 || std::ssize(parts) < most) {
    const auto at = text.find(*separator);
    if (at == text.npos) break;
    parts.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator->size());
  }
  parts.emplace_back(text);
  return parts;
}

std::vector<std::string> SplitFromRight(std::string_view text,
                                        std::optional<std::string_view> separator,
                                        std::int64_t most) {
  if (!separator) return SplitAtSpaceFromRight(text, most);
  std::vector<std::string> parts;
  while (most < 0 || std::ssize(parts) < most) {
    const auto at = text.rfind(*separator);
    if (at == text.npos) break;
    parts.emplace_back(text.substr(at + separator->size()));
    text = text.substr(0, at);
  }
  parts.emplace_back(text);
  std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string> SplitLines(std::string_view text, LineEnds ends) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto [c, length] = DecodeUtf8(text, at);
    std::size_t next = at + length;
    if (EndsLine(c)) {
      if (c == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.emplace_back(text.substr(begin, (ends == LineEnds::kKept ? next : at) - begin));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::string Replace(std::string_view text, std::string_view old, std::string_view fresh,
                    std::int64_t most) {
  std::string result;
  std::int64_t done = 0;
  if (old.empty()) {  // around each character
    for (std::size_t at = 0; most < 0 || done < most; ++done) {
      result += fresh;
      if (at == text.size()) return result;
      const std::size_t length = DecodeUtf8(text, at).length;
      result += text.substr(at, length);
      at += length;
      RequireTextFits(result.size());
      if (most >= 0 && done + 1 == most) return result.append(text.substr(at));
    }
    return std::string(text);
  }
  for (; most < 0 || done < most; ++done) {
    const auto at = text.find(old);
    if (at == text.npos) break;
    result.append(text.substr(0, at)).append(fresh);
    text.remove_prefix(at + old.size());
    RequireTextFits(result.size() + text.size());
  }
  return result.append(text);
}

bool IsLowerCase(std::string_view text) { return Lower(text) == text && Upper(text) != text; }
bool IsUpperCase(std::string_view text) { return Upper(text) == text && Lower(text) != text; }

}  // namespace lockstep::jinja
