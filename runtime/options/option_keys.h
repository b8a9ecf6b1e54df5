#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/options/option_table.h"

namespace lockstep {

// How the keys of the table are bound to members of Options.

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

// What a key means, and what holds while it is null or empty, where that is not plain.
struct KeyHelp {
  KeyHelp(const char* what, const char* otherwise = "") : text(what), unset(otherwise) {}

  std::string text;
  std::string unset;
};

// Binds a key to the member that `access` reaches, of type T or std::optional<T>. An optional
// member is unset by null, and only an optional one may be null.
template <typename Access, typename Type>
OptionKey Key(const std::string& path, KeyHelp help, const Type& type, Access access) {
  using Member = std::remove_cvref_t<decltype(access(std::declval<Options&>()))>;
  OptionKey key{.path = path,
                .expected = type.Expected(),
                .help = std::move(help.text),
                .unset = std::move(help.unset)};
  key.nullable = IsOptional<Member>::value;
  key.set = [access, type, path](Options& options, const ConfigValue& value) {
    if constexpr (IsOptional<Member>::value) {
      if (value.kind == ConfigValue::Kind::kNull) {
        access(options) = std::nullopt;
        options.stated.erase(path);
        return;
      }
    }
    access(options) = type.Parse(value);
    options.stated[path] = value.name;
  };
  key.print = [access, type](const Options& options) {
    if constexpr (IsOptional<Member>::value)
      return access(options) ? type.Print(*access(options)) : std::string("null");
    else
      return type.Print(access(options));
  };
  key.value = key.print;
  return key;
}

// The same for a key that is left to the model unless it is set: null takes back what was set.
template <typename Access, typename Type>
OptionKey ModelKey(const std::string& path, KeyHelp help, const Type& type, Access access) {
  OptionKey key = Key(path, std::move(help), type, access);
  key.nullable = key.left_to_model = true;
  key.set = [access, path, set = key.set](Options& options, const ConfigValue& value) {
    if (value.kind != ConfigValue::Kind::kNull) return set(options, value);
    const Options usual;
    access(options) = access(usual);
    options.stated.erase(path);
  };
  key.print = [path, value = key.value](const Options& options) {
    return options.stated.contains(path) ? value(options) : std::string("null");
  };
  return key;
}

// The part of the table that says how tokens are chosen (option_sampling.cpp).
void AddSamplingKeys(std::vector<OptionKey>& table);

}  // namespace lockstep
