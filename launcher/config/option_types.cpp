#include "launcher/config/option_types.h"

#include <charconv>

#include "core/json.h"

namespace lockstep {
namespace {

constexpr std::size_t kMaxShownBytes = 60;

std::string Shown(std::string_view text) {
  if (text.size() <= kMaxShownBytes) return QuotedText(text);
  return QuotedText(std::string(text.substr(0, kMaxShownBytes)) + "...");
}

std::string Found(const ConfigValue& value) {
  switch (value.kind) {
    case ConfigValue::Kind::kNull: return "empty";
    case ConfigValue::Kind::kList: return fmt::format("a list of {}", value.items.size());
    case ConfigValue::Kind::kPlain:
    case ConfigValue::Kind::kQuoted: break;
  }
  return Shown(value.text);
}

// The whole of a plain value as a number; quoted digits are text.
template <typename T>
bool ParseNumber(const ConfigValue& value, T& number) {
  if (value.kind != ConfigValue::Kind::kPlain) return false;
  const char* end = value.text.data() + value.text.size();
  const auto result = std::from_chars(value.text.data(), end, number);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

void ThrowWrongValue(const ConfigValue& value, std::string_view expected) {
  throw BadInput("{} is {}; expected {}", value.name, Found(value), expected);
}

std::string QuotedText(std::string_view text) { return DumpJson(std::string(text)); }

std::int64_t IntegerType::Parse(const ConfigValue& value) const {
  std::int64_t number = 0;
  if (!ParseNumber(value, number) || number < least || number > most)
    ThrowWrongValue(value, Expected());
  return number;
}

std::uint64_t SeedType::Parse(const ConfigValue& value) const {
  std::uint64_t number = 0;
  if (!ParseNumber(value, number)) ThrowWrongValue(value, Expected());
  return number;
}

double NumberType::Parse(const ConfigValue& value) const {
  double number = 0.0;
  // Written so that NaN, which from_chars reads, is refused.
  if (!ParseNumber(value, number) || !(number >= least && number <= most))
    ThrowWrongValue(value, Expected());
  return number;
}

bool FlagType::Parse(const ConfigValue& value) const {
  if (value.kind == ConfigValue::Kind::kPlain) {
    if (value.text == "true") return true;
    if (value.text == "false") return false;
  }
  ThrowWrongValue(value, Expected());
}

std::string TextType::Parse(const ConfigValue& value) const {
  if (value.kind == ConfigValue::Kind::kPlain || value.kind == ConfigValue::Kind::kQuoted)
    return value.text;
  ThrowWrongValue(value, Expected());
}

std::vector<std::string> TextListType::Parse(const ConfigValue& value) const {
  switch (value.kind) {
    case ConfigValue::Kind::kList: return value.items;
    case ConfigValue::Kind::kPlain:
    case ConfigValue::Kind::kQuoted: return {value.text};
    case ConfigValue::Kind::kNull: break;
  }
  ThrowWrongValue(value, Expected());
}

std::string TextListType::Print(const std::vector<std::string>& values) const {
  std::string list;
  for (const std::string& value : values) list += (list.empty() ? "" : ", ") + QuotedText(value);
  return "[" + list + "]";
}

}  // namespace lockstep
