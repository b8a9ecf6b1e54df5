#include "launcher/commands/json_lines.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/error.h"
#include "launcher/config/nearest.h"

namespace lockstep {
namespace {

std::string Shown(const Json& value) {
  std::string text = DumpJson(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// Fields that other programs have for what ours are called.
constexpr std::pair<const char*, const char*> kElsewhere[] = {
    {"max_tokens", "max_new_tokens"},
    {"max_length", "max_new_tokens"},
    {"max_completion_tokens", "max_new_tokens"},
    {"n_predict", "max_new_tokens"},
    {"num_return_sequences", "n"},
    {"stop_sequences", "stop"},
    {"bad_words_ids", "banned_token_ids"},
    {"input_ids", "tokens"},
};

std::string NearestField(const std::string& name, const std::vector<std::string>& known) {
  for (const auto& [elsewhere, here] : kElsewhere)
    if (name == elsewhere && std::find(known.begin(), known.end(), here) != known.end())
      return here;
  return NearestName(name, known);
}

}  // namespace

LineFields::LineFields(std::string_view line, std::string where,
                       std::initializer_list<const char*> known)
    : where_(std::move(where)), object_(ParseJson(line, where_)) {
  const std::vector<std::string> names(known.begin(), known.end());
  if (!object_.is_object())
    throw BadInput("{}: found {}; expected an object such as {{\"{}\": ...}}", where_,
                   Shown(object_), names.front());
  for (const auto& [name, value] : object_.items()) {
    bool found = false;
    for (const std::string& one : names) found = found || one == name;
    if (!found)
      throw BadInput("{}: unknown field {}; the nearest known one is \"{}\"", where_,
                     Shown(Json(name)), NearestField(name, names));
  }
}

const Json* LineFields::Find(std::string_view name) const {
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

Json LineFields::Id(std::int64_t fallback) const {
  const Json* id = Find("id");
  if (id == nullptr) return fallback;
  if (!id->is_string() && !id->is_number_integer())
    throw BadInput("{}: \"id\" is {}; expected a string or an integer", where_, Shown(*id));
  return *id;
}

std::optional<std::vector<std::int32_t>> LineFields::Tokens(std::string_view name) const {
  const Json* list = Find(name);
  if (list == nullptr) return std::nullopt;
  if (!list->is_array())
    throw BadInput("{}: \"{}\" is {}; expected a list of token ids", where_, name, Shown(*list));
  std::vector<std::int32_t> tokens;
  tokens.reserve(list->size());
  for (const Json& token : *list) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();
    // Parsed integers are unsigned unless they have a minus.
    if (!token.is_number_unsigned() || token.get<std::uint64_t>() > kMost)
      throw BadInput("{}: \"{}\"[{}] is {}; expected a token id from 0 to {}", where_, name,
                     tokens.size(), Shown(token), kMost);
    tokens.push_back(token.get<std::int32_t>());
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
        where_, name, Shown(*object));
  };
  if (!object->is_object()) refuse();
  std::vector<std::pair<std::int32_t, double>> biases;
  for (const auto& [key, value] : object->items()) {
    std::int32_t token = 0;
    const char* end = key.data() + key.size();
    const auto read = std::from_chars(key.data(), end, token);
    if (read.ec != std::errc() || read.ptr != end || token < 0 || !value.is_number()) refuse();
    biases.emplace_back(token, value.get<double>());
  }
  return biases;
}

std::optional<std::uint64_t> LineFields::Seed(std::string_view name) const {
  const Json* seed = Find(name);
  if (seed == nullptr) return std::nullopt;
  if (!seed->is_number_unsigned())
    throw BadInput("{}: \"{}\" is {}; expected an integer from 0 to 18446744073709551615", where_,
                   name, Shown(*seed));
  return seed->get<std::uint64_t>();
}

std::optional<std::vector<std::string>> LineFields::Texts(std::string_view name) const {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  const Json list = value->is_array() ? *value : Json::array({*value});
  std::vector<std::string> texts;
  for (const Json& text : list) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty())
      throw BadInput("{}: \"{}\" is {}; expected a text or a list of texts, none empty", where_,
                     name, Shown(*value));
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

void ForEachLine(
    std::string_view text, std::string_view where,
    const std::function<void(std::string_view line, const std::string& place)>& visit) {
  std::int64_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    ++number;
    if (!IsBlank(line)) visit(line, fmt::format("{}:{}", where, number));
    begin = end + 1;
  }
}

}  // namespace lockstep
