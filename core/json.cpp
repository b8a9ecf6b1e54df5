#include "core/json.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/heartbeat.h"

namespace lockstep {
namespace {

constexpr int kMaxDepth = 64;

// Refuses what nlohmann would accept silently: duplicate keys and depth without end.
class StrictCallback {
 public:
  explicit StrictCallback(std::string_view where) : where_(where) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    Heartbeat();
    if (depth > kMaxDepth)
      throw BadInput("{}: JSON nested deeper than {} levels", where_, kMaxDepth);
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second)
        throw BadInput("{}: the key \"{}\" stands twice in one object", where_, key);
    }
    return true;
  }

 private:
  std::string_view where_;
  std::vector<std::set<std::string>> keys_;
};

// In our words: the library's speak of its own insides. byte: where it stopped, from 1.
std::string WhatIsWrong(std::string_view library, std::string_view text, std::size_t byte) {
  constexpr std::pair<const char*, const char*> kReasons[] = {
      {"UTF-8", "a character that is not valid UTF-8"},
      {"surrogate", "half of a surrogate pair (\\uD800 to \\uDFFF)"},
      {"control character", "a control character in a string; expected an escape such as \\n"},
      {"after backslash", "a backslash before what cannot be escaped"},
      {"'\\u' must be", "\\u without four hexadecimal digits"},
      {"missing closing quote", "a string without its closing quote"},
      {"unexpected end of input", "the text ends too early"},
      {"number overflow", "a number that is too large"},
      {"invalid number", "a number that is not well formed"}};
  for (const auto& [theirs, ours] : kReasons)
    if (library.find(theirs) != std::string_view::npos) return ours;
  if (byte == 0 || byte > text.size()) return "the text ends too early";
  constexpr std::size_t kShown = 20;
  std::string found(text.substr(byte - 1, kShown));
  found.resize(std::min(found.find_first_of("\r\n"), found.size()));
  return fmt::format("found {} where it does not belong",
                     Json(found).dump(-1, ' ', false, Json::error_handler_t::replace));
}

const Json* FindMember(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(std::string(key));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Error WrongType(const Json& value, std::string_view key, std::string_view where,
                std::string_view expected) {
  return BadInput("{}: \"{}\" is {}; expected {}", where, key, ShownJson(value), expected);
}

}  // namespace

Json ParseJson(std::string_view text, std::string_view where) {
  // nlohmann takes a NUL for the end of the text and would ignore whatever follows it.
  const std::size_t nul = text.find('\0');
  if (nul != std::string_view::npos)
    throw BadInput("{}: not valid JSON at byte {}: a NUL character", where, nul + 1);
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    throw BadInput("{}: not valid JSON at byte 1: it is empty", where);
  try {
    StrictCallback callback(where);
    return Json::parse(text, std::ref(callback));
  } catch (const Json::parse_error& error) {
    throw BadInput("{}: not valid JSON at byte {}: {}", where, error.byte,
                   WhatIsWrong(error.what(), text, error.byte));
  } catch (const Json::exception& error) {
    throw BadInput("{}: not valid JSON: {}", where, WhatIsWrong(error.what(), text, 0));
  }
}

std::optional<std::int64_t> FindInt(const Json& object, std::string_view key,
                                    std::string_view where) {
  const Json* value = FindMember(object, key);
  if (value == nullptr) return std::nullopt;
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() || value->get<std::uint64_t>() <= INT64_MAX);
  if (!fits) throw WrongType(*value, key, where, "an integer");
  return value->get<std::int64_t>();
}

std::optional<double> FindNumber(const Json& object, std::string_view key, std::string_view where) {
  const Json* value = FindMember(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) throw WrongType(*value, key, where, "a number");
  return value->get<double>();
}

std::optional<bool> FindBool(const Json& object, std::string_view key, std::string_view where) {
  const Json* value = FindMember(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) throw WrongType(*value, key, where, "true or false");
  return value->get<bool>();
}

std::optional<std::string> FindString(const Json& object, std::string_view key,
                                      std::string_view where) {
  const Json* value = FindMember(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) throw WrongType(*value, key, where, "a string");
  return value->get<std::string>();
}

std::string ShownJson(const Json& value) {
  constexpr std::size_t kMostBytes = 60;
  std::string text = DumpJson(value);
  return text.size() <= kMostBytes ? text : text.substr(0, kMostBytes - 3) + "...";
}

std::string DumpJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lockstep
