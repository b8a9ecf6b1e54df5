#include "api/json_lines.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "runtime/options/words/nearest.h"
#include "runtime/options/words/synonyms.h"

namespace lockstep {
namespace {

bool IsAmong(const std::string& name, const std::vector<std::string>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The field that is meant by an unknown one, or else all.
std::string KnownField(const std::string& name, const std::vector<std::string>& known) {
  const std::string close = CloseName(name, known);
  if (close.empty()) return fmt::format("known are {}", fmt::join(known, ", "));
  return fmt::format("the nearest known one is \"{}\"", close);
}

}  // namespace

LineFields::LineFields(std::string_view line, const std::string& where, const LineRules& rules)
    : LineFields(ParseJson(line, where), where, rules) {}

LineFields::LineFields(Json object, std::string where, const LineRules& rules)
    : where_(std::move(where)), object_(std::move(object)) {
  if (!object_.is_object())
    throw BadInput("{}: found {}; expected an object such as {{\"{}\": ...}}", where_,
                   ShownJson(object_), rules.known.front());
  std::vector<std::string> names;
  for (const auto& [name, value] : object_.items()) names.push_back(name);
  for (const std::string& name : names) {
    if (IsAmong(name, rules.known)) continue;
    const std::string same(SameAs(name, rules.known));
    if (same.empty())
      TakeUnknown(name, rules);
    else
      Rename(name, same);
  }
}

void LineFields::Rename(const std::string& name, const std::string& same) {
  if (object_.contains(same))
    throw BadInput("{}: \"{}\" and \"{}\" are the same; give one", where_, name, same);
  object_[same] = std::move(object_[name]);
  object_.erase(name);
}

void LineFields::TakeUnknown(const std::string& name, const LineRules& rules) {
  const std::string shown = ShownJson(Json(name));
  if (rules.unknown == UnknownFields::kRefuse)
    throw BadInput("{}: unknown field {}; {}", where_, shown,
                   AdviceOr(name, KnownField(name, rules.known)));
  if (IsAmong(name, rules.answer))
    throw BadInput("{}: the field {} cannot be passed through: the answer has one of that name",
                   where_, shown);
  passed_[name] = std::move(object_[name]);
  object_.erase(name);
}

const Json* LineFields::Find(std::string_view name) const {
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

Json LineFields::Id(std::int64_t fallback) const {
  const Json* id = Find("id");
  if (id == nullptr) return fallback;
  if (!id->is_string() && !id->is_number_integer())
    throw BadInput("{}: \"id\" is {}; expected a string or an integer", where_, ShownJson(*id));
  return *id;
}

std::optional<std::vector<std::int32_t>> LineFields::Tokens(std::string_view name) const {
  const Json* list = Find(name);
  if (list == nullptr) return std::nullopt;
  if (!list->is_array())
    throw BadInput("{}: \"{}\" is {}; expected a list of token ids", where_, name,
                   ShownJson(*list));
  std::vector<std::int32_t> tokens;
  tokens.reserve(list->size());
  constexpr double kMost = std::numeric_limits<std::int32_t>::max();
  for (const Json& token : *list) {
    const double id = token.is_number() ? token.get<double>() : -1.0;
    // 3.0 is an id too.
    if (!(id >= 0.0 && id <= kMost) || std::floor(id) != id)
      throw BadInput("{}: \"{}\"[{}] is {}; expected a token id from 0 to {}", where_, name,
                     tokens.size(), ShownJson(token), kMost);
    tokens.push_back(static_cast<std::int32_t>(id));
  }
  return tokens;
}

std::optional<std::vector<std::pair<std::int32_t, double>>> LineFields::Biases(
    std::string_view name) const {
  const Json* object = Find(name);
  if (object == nullptr) return std::nullopt;
  const auto refuse = [&] {
    throw BadInput(
        "{}: \"{}\" is {}; expected an object of token ids and numbers, as "
        "{{\"198\": -5}}",
        where_, name, ShownJson(*object));
  };
  if (!object->is_object()) refuse();
  std::vector<std::pair<std::int32_t, double>> biases;
  for (const auto& [key, value] : object->items()) {
    std::int32_t token = 0;
    const char* end = key.data() + key.size();
    const auto read = std::from_chars(key.data(), end, token);
    if (read.ec != std::errc() || read.ptr != end || key.starts_with('-') || !value.is_number())
      refuse();
    biases.emplace_back(token, value.get<double>());
  }
  return biases;
}

bool LineFields::Flag(std::string_view name) const {
  const Json* value = Find(name);
  if (value == nullptr) return false;
  if (!value->is_boolean())
    throw BadInput("{}: \"{}\" is {}; expected true or false", where_, name, ShownJson(*value));
  return value->get<bool>();
}

std::optional<std::int64_t> LineFields::Integer(std::string_view name,
                                                const IntegerType& type) const {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  return type.Parse(JsonValue(*value, fmt::format("{}: \"{}\"", where_, name)));
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace lockstep
