#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "text/jinja/values/value.h"

namespace lockstep::jinja {

// How values are written. Throw Fault for what has no text, and where it would be longer than
// kMostTextBytes.

constexpr std::size_t kMostTextBytes = std::size_t{16} << 20;
void RequireTextFits(std::size_t bytes);

std::string Str(const Value& value);   // Python's str()
std::string Repr(const Value& value);  // Python's repr()

// As Python's json.dumps(ensure_ascii=False).
struct JsonStyle {
  std::optional<std::string> indent = {};  // of each level; none: all in one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
std::string ToJson(const Value& value, const JsonStyle& style);

}  // namespace lockstep::jinja
