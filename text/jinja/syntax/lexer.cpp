#include "text/jinja/syntax/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "core/error.h"
#include "text/jinja/values/python_text.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep::jinja {
namespace {

// Line ends as Jinja has them; one at the end goes.
std::string Normalized(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const bool pair = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (!pair) text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameByte(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

enum class Tag : std::uint8_t { kOutput, kBlock, kComment };

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view where)
      : text_(Normalized(source)), where_(where) {}

  std::vector<Token> Run() {
    while (at_ < text_.size()) LexData();
    Add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  // --- Between tags ---

  // Text up to the next tag, and the tag.
  void LexData() {
    const std::size_t begin = at_, tag = FindTag();
    if (tag == text_.npos) {
      AddData(begin, text_.size());
      at_ = text_.size();
      return;
    }
    const char mark = text_[tag + 1];
    const Tag kind = mark == '{' ? Tag::kOutput : mark == '%' ? Tag::kBlock : Tag::kComment;
    const char sign = SignAt(tag + 2);
    AddData(begin, EndOfData(begin, tag, sign, kind));
    at_ = tag;
    if (kind == Tag::kBlock && TakeRaw()) return;
    if (kind == Tag::kOutput) Add(TokenKind::kOutputBegin, "");
    if (kind == Tag::kBlock) Add(TokenKind::kBlockBegin, "");
    at_ = tag + 2 + (sign != 0 ? 1 : 0);
    if (kind == Tag::kComment) return SkipComment(tag);
    LexTag(kind, tag);
  }

  std::size_t FindTag() const {
    for (std::size_t i = at_; i + 1 < text_.size(); ++i)
      if (text_[i] == '{' && (text_[i + 1] == '{' || text_[i + 1] == '%' || text_[i + 1] == '#'))
        return i;
    return text_.npos;
  }

  char SignAt(std::size_t at) const {
    return at < text_.size() && (text_[at] == '-' || text_[at] == '+') ? text_[at] : char{0};
  }

  // What is left of text[begin, end) before a tag with this sign.
  std::size_t EndOfData(std::size_t begin, std::size_t end, char sign, Tag kind) const {
    const std::string_view data = std::string_view(text_).substr(begin, end - begin);
    if (sign == '-') return begin + Strip(data, Side::kRight).size();
    if (sign == '+' || kind == Tag::kOutput) return end;
    const auto line_end = data.rfind('\n');
    if (line_end == data.npos && !line_starts_) return end;
    const std::size_t line = line_end == data.npos ? 0 : line_end + 1;
    return Strip(data.substr(line), Side::kLeft).empty() ? begin + line : end;
  }

  void AddData(std::size_t begin, std::size_t end) {
    at_ = begin;
    if (begin < end) Add(TokenKind::kData, text_.substr(begin, end - begin));
  }

  std::size_t SkipSpace(std::size_t at) const {
    const auto rest = std::string_view(text_).substr(at);
    return at + (rest.size() - Strip(rest, Side::kLeft).size());
  }

  bool Has(std::size_t at, std::string_view word) const {
    return std::string_view(text_).substr(std::min(at, text_.size())).starts_with(word);
  }

  // The end of a block or comment that ends here with `closing`, line end and white space included;
  // npos where none does.
  std::size_t EndOfBlock(std::size_t at, std::string_view closing) const {
    const char sign = SignAt(at);
    if (!Has(at + (sign != 0 ? 1 : 0), closing)) return text_.npos;
    const std::size_t end = at + (sign != 0 ? 1 : 0) + closing.size();
    if (sign == '-') return SkipSpace(end);
    return sign == 0 && Has(end, "\n") ? end + 1 : end;
  }

  void GoTo(std::size_t end) {
    line_starts_ = end > 0 && text_[end - 1] == '\n';
    at_ = end;
  }

  void SkipComment(std::size_t begin) {
    for (std::size_t i = at_; i < text_.size(); ++i)
      if (const std::size_t end = EndOfBlock(i, "#}"); end != text_.npos) return GoTo(end);
    at_ = begin;
    Fail("a comment without its end; expected #}");
  }

  // {% raw %} ... {% endraw %}, if it begins here.
  bool TakeRaw() {
    std::size_t at = SkipSpace(at_ + 2 + (SignAt(at_ + 2) != 0 ? 1 : 0));
    if (!Has(at, "raw")) return false;
    at = SkipSpace(at + 3);
    if (!Has(at, "%}") && !Has(at, "-%}")) return false;
    const std::size_t begin = Has(at, "-") ? SkipSpace(at + 3) : at + 2;
    GoTo(begin);
    for (std::size_t i = begin; i + 1 < text_.size(); ++i) {
      if (!Has(i, "{%")) continue;
      const char sign = SignAt(i + 2);
      const std::size_t word = SkipSpace(i + 2 + (sign != 0 ? 1 : 0));
      if (!Has(word, "endraw")) continue;
      const std::size_t end = EndOfBlock(SkipSpace(word + 6), "%}");
      if (end == text_.npos) continue;
      AddData(begin, EndOfData(begin, i, sign, Tag::kBlock));
      GoTo(end);
      return true;
    }
    Fail("raw without its end; expected {% endraw %}");
  }

  // --- Within a tag ---

  void LexTag(Tag kind, std::size_t begin) {
    brackets_.clear();
    while (at_ < text_.size()) {
      if (brackets_.empty() && TakeEnd(kind)) return;
      const auto [c, length] = DecodeUtf8(text_, at_);
      if (IsPythonSpace(c))
        at_ += length;
      else if (IsDigit(text_[at_]))
        LexNumber();
      else if (IsNameByte(text_[at_]))
        LexName();
      else if (c == '"' || c == '\'')
        LexString();
      else
        LexOperator();
    }
    at_ = begin;
    Fail(kind == Tag::kBlock ? "a tag without its end; expected %}"
                             : "an expression without its end; expected }}");
  }

  bool TakeEnd(Tag kind) {
    if (kind == Tag::kBlock) {
      const std::size_t end = EndOfBlock(at_, "%}");
      if (end == text_.npos) return false;
      Add(TokenKind::kBlockEnd, "");
      GoTo(end);
      return true;
    }
    const bool strips = Has(at_, "-}}");
    if (!strips && !Has(at_, "}}")) return false;
    Add(TokenKind::kOutputEnd, "");
    GoTo(strips ? SkipSpace(at_ + 3) : at_ + 2);
    return true;
  }

  void LexName() {
    std::size_t end = at_;
    while (end < text_.size() && IsNameByte(text_[end])) ++end;
    Add(TokenKind::kName, text_.substr(at_, end - at_));
    at_ = end;
  }

  // Digits with single underscores between them.
  std::size_t EndOfDigits(std::size_t at) const {
    while (at < text_.size() && (IsDigit(text_[at]) || (text_[at] == '_' && at + 1 < text_.size() &&
                                                        IsDigit(text_[at + 1]))))
      ++at;
    return at;
  }

  std::optional<std::size_t> EndOfFloat(std::size_t digits) const {
    const auto digit_at = [&](std::size_t i) { return i < text_.size() && IsDigit(text_[i]); };
    std::size_t end = digits;
    if (Has(end, ".") && digit_at(end + 1)) end = EndOfDigits(end + 1);
    if (Has(end, "e") || Has(end, "E")) {
      const std::size_t power = end + 1 + (SignAt(end + 1) != 0 ? 1 : 0);
      if (digit_at(power)) end = EndOfDigits(power);
    }
    return end == digits ? std::nullopt : std::optional(end);
  }

  void LexNumber() {
    const std::size_t digits = EndOfDigits(at_);
    // "x.1.2" is two subscripts.
    const bool behind_point = at_ > 0 && text_[at_ - 1] == '.';
    const auto float_end = behind_point ? std::nullopt : EndOfFloat(digits);
    const std::size_t end = float_end.value_or(digits);
    std::string number = text_.substr(at_, end - at_);
    std::erase(number, '_');
    if (!float_end && number.size() > 1 && number.find_first_not_of('0') != number.npos &&
        number.front() == '0')
      Fail(number + " is no number: it begins with 0");
    if (!float_end && Has(end, "x")) Fail("only decimal numbers are supported");
    Token& token = Add(float_end ? TokenKind::kFloat : TokenKind::kInteger, number);
    if (float_end)
      token.number = std::strtod(number.c_str(), nullptr);
    else if (std::from_chars(number.data(), number.data() + number.size(), token.integer).ec !=
             std::errc())
      Fail(number + " is more than a template can reckon with");
    at_ = end;
  }

  void LexOperator() {
    constexpr std::array<std::string_view, 25> kOperators{
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ","};
    const auto found =
        std::ranges::find_if(kOperators, [this](std::string_view one) { return Has(at_, one); });
    if (found == kOperators.end())
      Fail(
          fmt::format("{} is not expected here", text_.substr(at_, DecodeUtf8(text_, at_).length)));
    Balance(found->front());
    Add(TokenKind::kOperator, std::string(*found));
    at_ += found->size();
  }

  void Balance(char c) {
    constexpr std::string_view kOpen = "([{", kClose = ")]}";
    if (const auto open = kOpen.find(c); open != kOpen.npos) brackets_ += kClose[open];
    if (kClose.find(c) == kClose.npos) return;
    if (brackets_.empty()) Fail(fmt::format("{} closes nothing", c));
    if (brackets_.back() != c) Fail(fmt::format("{} where {} is expected", c, brackets_.back()));
    brackets_.pop_back();
  }

  void LexString() {
    const char quote = text_[at_];
    std::string value;
    for (std::size_t i = at_ + 1; i < text_.size();) {
      if (text_[i] == quote) {
        Add(TokenKind::kString, value);
        at_ = i + 1;
        return;
      }
      if (text_[i] == '\\' && i + 1 < text_.size())
        i = AppendEscape(i + 1, value);
      else
        value += text_[i++];
    }
    Fail("a text without its end");
  }

  // Of the character behind a backslash. Returns where the text goes on.
  std::size_t AppendEscape(std::size_t at, std::string& value) {
    constexpr std::string_view kNames = "\\'\"abfnrtv", kMeant = "\\'\"\a\b\f\n\r\t\v";
    const char c = text_[at];
    if (c == '\n') return at + 1;
    if (const auto named = kNames.find(c); named != kNames.npos) {
      value += kMeant[named];
      return at + 1;
    }
    if (c == 'x') return AppendNumber(at + 1, 2, 16, value);
    if (c == 'u') return AppendNumber(at + 1, 4, 16, value);
    if (c == 'U') return AppendNumber(at + 1, 8, 16, value);
    if (c == 'N') Fail("names of characters (\\N) are not supported");
    if (c >= '0' && c <= '7') return AppendNumber(at, 3, 8, value);
    value += '\\';  // stands for itself, as in Python
    return at;
  }

  std::size_t AppendNumber(std::size_t at, std::size_t digits, int base, std::string& value) {
    std::uint32_t number = 0;
    const char* begin = text_.data() + at;
    const char* end = begin + std::min(digits, text_.size() - at);
    const auto [behind, code] = std::from_chars(begin, end, number, base);
    const bool whole = base == 8 || behind == begin + digits;
    if (code != std::errc() || !whole || number > 0x10FFFF || (number >> 11) == 0x1B)
      Fail("an escape that names no character");
    AppendUtf8(static_cast<char32_t>(number), value);
    return static_cast<std::size_t>(behind - text_.data());
  }

  Token& Add(TokenKind kind, std::string text) {
    tokens_.push_back({.kind = kind, .text = std::move(text), .place = PlaceNow()});
    return tokens_.back();
  }

  Place PlaceNow() {
    for (; counted_ < at_; ++counted_) {
      if (text_[counted_] == '\n')
        place_ = {place_.line + 1, 1};
      else if ((static_cast<unsigned char>(text_[counted_]) & 0xC0) != 0x80)
        ++place_.column;
    }
    return place_;
  }

  [[noreturn]] void Fail(std::string_view why) {
    if (at_ < counted_) {
      counted_ = 0;
      place_ = {};
    }
    Refuse(where_, PlaceNow(), why);
  }

  const std::string text_;
  std::string_view where_;
  std::size_t at_ = 0;
  bool line_starts_ = true;
  std::string brackets_;  // that are to come
  std::vector<Token> tokens_;
  Place place_;
  std::size_t counted_ = 0;  // bytes before place_
};

}  // namespace

void Refuse(std::string_view where, Place place, std::string_view why) {
  throw BadInput("{}, line {}, column {}: {}", where, place.line, place.column, why);
}

std::vector<Token> Lex(std::string_view source, std::string_view where) {
  if (const auto invalid = FindInvalidUtf8(source))
    throw BadInput("{}: byte {} is no valid UTF-8", where, *invalid);
  return Lexer(source, where).Run();
}

}  // namespace lockstep::jinja
