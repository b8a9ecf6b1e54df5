#include "runtime/options/option_types.h"

#include <charconv>
#include <cmath>
#include <type_traits>

#include "core/json.h"

namespace lockstep {
namespace {

constexpr std::size_t kMaxShownBytes = 60;

std::string Shown(std::string_view text) {
  if (text.size() <= kMaxShownBytes) return QuotedText(text);
  return QuotedText(std::string(text.substr(0, kMaxShownBytes)) + "...");
}

std::string Found(const ConfigValue& value) {
  if (!value.shown.empty()) return value.shown;
  switch (value.kind) {
    case ConfigValue::Kind::kNull: return "empty";
    case ConfigValue::Kind::kList: return fmt::format("a list of {}", value.items.size());
    case ConfigValue::Kind::kPlain:
    case ConfigValue::Kind::kQuoted:
    case ConfigValue::Kind::kLiteral:
    case ConfigValue::Kind::kOther: break;
  }
  return Shown(value.text);
}

// Whether a value may be a number, true or false; in quotes it is text.
bool IsBare(const ConfigValue& value) {
  return value.kind == ConfigValue::Kind::kPlain || value.kind == ConfigValue::Kind::kLiteral;
}

// The whole of a bare value as a number.
template <typename T>
bool ParseNumber(const ConfigValue& value, T& number) {
  if (!IsBare(value)) return false;
  const char* end = value.text.data() + value.text.size();
  const auto result = std::from_chars(value.text.data(), end, number);
  return result.ec == std::errc() && result.ptr == end;
}

// Also of 3.0 and 1e3, as far as such a number says exactly which integer it is.
template <typename T>
bool ParseInteger(const ConfigValue& value, T& integer) {
  if (ParseNumber(value, integer)) return true;
  constexpr double kMostExact = 9007199254740992.0;  // 2^53
  double number = 0.0;
  if (!ParseNumber(value, number) || std::floor(number) != number) return false;
  if (std::abs(number) > kMostExact || (std::is_unsigned_v<T> && number < 0.0)) return false;
  integer = static_cast<T>(number);
  return true;
}

}  // namespace

void ThrowWrongValue(const ConfigValue& value, std::string_view expected) {
  throw BadInput("{} is {}; expected {}", value.name, Found(value), expected);
}

ConfigValue WrittenValue(const OptionKey& key, const std::string& text, const std::string& name) {
  const bool null = key.nullable && text == "null";
  return {null ? ConfigValue::Kind::kNull : ConfigValue::Kind::kPlain, text, {}, name};
}

ConfigValue JsonValue(const Json& value, const std::string& name) {
  ConfigValue found{ConfigValue::Kind::kPlain, "", {}, name, ShownJson(value)};
  if (value.is_null()) found.kind = ConfigValue::Kind::kNull;
  if (value.is_object()) found.kind = ConfigValue::Kind::kOther;
  if (value.is_boolean() || value.is_number()) {
    found.kind = ConfigValue::Kind::kLiteral;
    found.text = DumpJson(value);
  }
  if (value.is_string()) {
    found.kind = ConfigValue::Kind::kQuoted;
    found.text = value.get<std::string>();
  }
  if (value.is_array()) found.kind = ConfigValue::Kind::kList;
  for (const Json& item : value.is_array() ? value : Json::array()) {
    if (item.is_string())
      found.items.push_back(item.get<std::string>());
    else
      found.kind = ConfigValue::Kind::kOther;
  }
  return found;
}

std::string QuotedText(std::string_view text) { return DumpJson(std::string(text)); }

std::int64_t IntegerType::Parse(const ConfigValue& value) const {
  std::int64_t number = 0;
  if (!ParseInteger(value, number) || number < least || number > most)
    ThrowWrongValue(value, Expected());
  return number;
}

std::uint64_t SeedType::Parse(const ConfigValue& value) const {
  std::uint64_t number = 0;
  if (!ParseInteger(value, number)) ThrowWrongValue(value, Expected());
  return number;
}

double NumberType::Parse(const ConfigValue& value) const {
  double number = 0.0;
  const bool read = ParseNumber(value, number);
  if (read && number == 0.0 && zero == Zero::kToo) return 0.0;
  // Written so that NaN, which from_chars reads, is refused.
  if (!read || !(number >= least && number <= most)) ThrowWrongValue(value, Expected());
  return number + 0.0;  // no negative zero, which would print as another value
}

bool FlagType::Parse(const ConfigValue& value) const {
  if (IsBare(value)) {
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
  std::vector<std::string> texts;
  if (value.kind == ConfigValue::Kind::kList) {
    texts = value.items;
  } else if (value.kind == ConfigValue::Kind::kPlain || value.kind == ConfigValue::Kind::kQuoted) {
    texts = {value.text};
  } else {
    ThrowWrongValue(value, Expected());
  }
  for (const std::string& text : texts) {
    if (!text.empty()) continue;
    if (!value.shown.empty()) ThrowWrongValue(value, Expected());
    throw BadInput("{} holds an empty text; expected {}", value.name, Expected());
  }
  return texts;
}

std::string TextListType::Print(const std::vector<std::string>& values) const {
  std::string list;
  for (const std::string& value : values) list += (list.empty() ? "" : ", ") + QuotedText(value);
  return "[" + list + "]";
}

}  // namespace lockstep
