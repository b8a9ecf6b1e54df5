#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/config/options.h"

namespace lockstep {

// A value as it was written, before its key says what it has to be.
struct ConfigValue {
  enum class Kind { kNull, kPlain, kQuoted, kList };

  Kind kind = Kind::kPlain;
  std::string text;                // of kPlain and kQuoted
  std::vector<std::string> items;  // of kList
  std::string name;                // in messages: "run.yaml:3:7: parallel.tp", "--tp"
};

// One configurable member: YAML, --set, flags and the printed configuration all go by it.
struct OptionKey {
  std::string path;      // "parallel.tp"
  std::string expected;  // "an integer from 1 to 65536"
  std::string help;      // one line
  // Throws BadInput naming value.name, what was found and what was expected.
  std::function<void(Options&, const ConfigValue&)> set;
  std::function<std::string(const Options&)> print;  // as a YAML value
};

// All keys, in the order in which they are printed, those of a section together.
const std::vector<OptionKey>& OptionTable();

// The key of this path. Throws BadInput naming `where` and the nearest known key.
const OptionKey& FindOption(std::string_view path, std::string_view where);

// Whether keys begin with "section.".
bool IsSection(std::string_view section);

// Throws BadInput: `path` is no key; names the nearest.
[[noreturn]] void ThrowUnknownKey(std::string_view path, std::string_view where);

// One `key.path=value` of --set. A value in brackets is a YAML list.
void ApplySetting(Options& options, std::string_view setting);

// The whole configuration as YAML, each key with its explanation. Reading it gives it back.
std::string PrintOptions(const Options& options);

}  // namespace lockstep
