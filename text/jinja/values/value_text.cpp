#include "text/jinja/values/value_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text/jinja/values/python_text.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep::jinja {
namespace {

std::string FloatText(double number, const char* infinity, const char* nan) {
  if (std::isnan(number)) return nan;
  if (std::isinf(number)) return number < 0 ? std::string("-") + infinity : infinity;
  std::string text = fmt::format("{}", number);  // the shortest that reads back, as Python's
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

// Ranges of characters that repr() escapes, beside those that nobody uses.
bool IsPrintable(char32_t c) {
  constexpr std::array<std::pair<char32_t, char32_t>, 12> kHidden{{{0x00, 0x1F},
                                                                   {0x7F, 0xA0},
                                                                   {0xAD, 0xAD},
                                                                   {0x600, 0x605},
                                                                   {0x1680, 0x1680},
                                                                   {0x2000, 0x200F},
                                                                   {0x2028, 0x202F},
                                                                   {0x205F, 0x206F},
                                                                   {0x3000, 0x3000},
                                                                   {0xE000, 0xF8FF},
                                                                   {0xFEFF, 0xFEFF},
                                                                   {0xFFF0, 0xFFFB}}};
  return std::ranges::none_of(
      kHidden, [c](const auto& range) { return c >= range.first && c <= range.second; });
}

void AppendEscaped(char32_t c, std::string& text) {
  const auto number = static_cast<std::uint32_t>(c);
  if (c == '\n')
    text += "\\n";
  else if (c == '\r')
    text += "\\r";
  else if (c == '\t')
    text += "\\t";
  else if (c < 0x100)
    text += fmt::format("\\x{:02x}", number);
  else if (c < 0x10000)
    text += fmt::format("\\u{:04x}", number);
  else
    text += fmt::format("\\U{:08x}", number);
}

std::string QuotedText(const std::string& text) {
  const bool has_single = text.find('\'') != text.npos;
  const char quote = has_single && text.find('"') == text.npos ? '"' : '\'';
  std::string result(1, quote);
  for (std::size_t at = 0; at < text.size();) {
    const auto [c, length] = DecodeUtf8(text, at);
    if (c == static_cast<char32_t>(quote) || c == '\\') result += '\\';
    if (IsPrintable(c))
      result += text.substr(at, length);
    else
      AppendEscaped(c, result);
    at += length;
  }
  return result + quote;
}

class ReprWriter {
 public:
  void Write(const Value& value) {
    RequireTextFits(text_.size());
    if (const Sequence* sequence = value.sequence()) return WriteSequence(value, *sequence);
    if (const Dict* dict = value.dict()) return WriteDict(*dict);
    if (value.Is<Undefined>())
      text_ += "Undefined";
    else
      text_ += value.is_text() ? QuotedText(value.text()) : Str(value);
  }
  std::string Take() { return std::move(text_); }

 private:
  void WriteSequence(const Value& value, const Sequence& sequence) {
    const bool tuple = sequence.kind == SequenceKind::kTuple;
    if (!tuple && sequence.kind != SequenceKind::kList)
      throw Fault(fmt::format("a {} is not printed; make it a list first", value.TypeName()));
    text_ += tuple ? '(' : '[';
    for (std::size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) text_ += ", ";
      Write(sequence.items[i]);
    }
    if (tuple && sequence.items.size() == 1) text_ += ',';
    text_ += tuple ? ')' : ']';
  }

  void WriteDict(const Dict& dict) {
    text_ += '{';
    for (const auto& [key, value] : dict.items()) {
      if (&key != &dict.items().front().first) text_ += ", ";
      Write(key);
      text_ += ": ";
      Write(value);
    }
    text_ += '}';
  }

  std::string text_;
};

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  void Write(const Value& value) {
    RequireTextFits(text_.size());
    if (value.is_text()) return WriteText(value.text());
    if (const Dict* dict = value.dict()) return WriteDict(*dict);
    if (const Sequence* list = value.sequence(); list != nullptr && Lists(list->kind))
      return WriteList(*list);
    text_ += ScalarOf(value);
  }
  std::string Take() { return std::move(text_); }

 private:
  static bool Lists(SequenceKind kind) {
    return kind == SequenceKind::kList || kind == SequenceKind::kTuple;
  }

  static std::string ScalarOf(const Value& value) {
    if (value.Is<None>()) return "null";
    if (value.Is<bool>()) return value.As<bool>() ? "true" : "false";
    if (value.Is<double>()) return FloatText(value.number(), "Infinity", "NaN");
    if (value.is_integer()) return fmt::format("{}", value.integer());
    throw Fault(fmt::format("Object of type {} is not JSON serializable", value.TypeName()));
  }

  void WriteText(const std::string& text) {
    text_ += '"';
    for (const char c : text) {
      constexpr std::string_view kNamed = "\"\\\n\r\t\b\f", kNames = "\"\\nrtbf";
      if (const auto at = kNamed.find(c); at != kNamed.npos)
        (text_ += '\\') += kNames[at];
      else if (static_cast<unsigned char>(c) < 0x20)
        text_ += fmt::format("\\u{:04x}", int{c});
      else
        text_ += c;
    }
    text_ += '"';
  }

  void NewLine() {
    if (!style_.indent) return;
    text_ += '\n';
    for (int i = 0; i < level_; ++i) text_ += *style_.indent;
  }

  template <typename Items, typename WriteItem>
  void WriteItems(const Items& items, const char* brackets, WriteItem write) {
    text_ += brackets[0];
    ++level_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) text_ += style_.item_separator;
      NewLine();
      write(items[i]);
    }
    --level_;
    if (!items.empty()) NewLine();
    text_ += brackets[1];
  }

  void WriteList(const Sequence& list) {
    WriteItems(list.items, "[]", [this](const Value& item) { Write(item); });
  }

  void WriteDict(const Dict& dict) {
    auto items = dict.items();
    if (style_.sort_keys)
      std::ranges::stable_sort(items,
                               [](const auto& a, const auto& b) { return Less(a.first, b.first); });
    WriteItems(items, "{}", [this](const auto& item) {
      WriteText(item.first.is_text() ? item.first.text() : ScalarOf(item.first));
      text_ += style_.key_separator;
      Write(item.second);
    });
  }

  const JsonStyle& style_;
  std::string text_;
  int level_ = 0;
};

}  // namespace

void RequireTextFits(std::size_t bytes) {
  if (bytes > kMostTextBytes)
    throw Fault(fmt::format("a text is longer than {} bytes", kMostTextBytes));
}

std::string Str(const Value& value) {
  if (value.is_text()) return value.text();
  if (value.Is<Undefined>()) return "";
  if (value.Is<None>()) return "None";
  if (value.Is<bool>()) return value.As<bool>() ? "True" : "False";
  if (value.Is<double>()) return FloatText(value.number(), "inf", "nan");
  if (value.is_integer()) return fmt::format("{}", value.integer());
  if (value.sequence() == nullptr && value.dict() == nullptr)
    throw Fault(fmt::format("a {} is not printed", value.TypeName()));
  return Repr(value);
}

std::string Repr(const Value& value) {
  ReprWriter writer;
  writer.Write(value);
  return writer.Take();
}

std::string ToJson(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  writer.Write(value);
  return writer.Take();
}

}  // namespace lockstep::jinja
