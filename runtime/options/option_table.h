#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "runtime/options/options.h"

namespace lockstep {

// A value as it was written, before its key says what it has to be.
struct ConfigValue {
  enum class Kind {
    kNull,
    kPlain,
    kQuoted,
    kList,
    kLiteral,  // a number, true or false of JSON, where they are no texts
    kOther     // what no key can be: an object, a list with something in it that is no text
  };

  Kind kind = Kind::kPlain;
  std::string text;                // of kPlain and kQuoted
  std::vector<std::string> items;  // of kList
  std::string name;                // in messages: "run.yaml:3:7: parallel.tp", "--tp"
  std::string shown = {};          // what messages say was found; empty: the text in quotes
};

// One configurable member: YAML, --set, flags and the printed configuration all go by it.
struct OptionKey {
  std::string path = {};      // "parallel.tp"
  std::string expected = {};  // "an integer from 1 to 65536"
  std::string help = {};      // one line
  // What holds while the key is null or empty: "one, or those of mpirun". Empty: nothing to say.
  std::string unset = {};
  bool nullable = false;
  // Whether the model's generation_config.json gives the value where nobody else does.
  bool left_to_model = false;
  // Throws BadInput naming value.name, what was found and what was expected. Notes in
  // options.stated who has set it; null takes that back.
  std::function<void(Options&, const ConfigValue&)> set = {};
  // As a YAML value; null where it is not set. `value` gives what holds then, if there is
  // something.
  std::function<std::string(const Options&)> print = {};
  std::function<std::string(const Options&)> value = {};
};

// What was written for a key on the command line or behind --set: null where the key can be null.
ConfigValue WrittenValue(const OptionKey& key, const std::string& text, const std::string& name);

// A member of a JSON object.
ConfigValue JsonValue(const Json& value, const std::string& name);

// All keys, in the order in which they are printed, those of a section together.
const std::vector<OptionKey>& OptionTable();

// The key of this path, which may end in what other programs call it (synonyms.h). Throws BadInput
// naming `where` and the nearest known key.
const OptionKey& FindOption(std::string_view path, std::string_view where);

// What the key means, with what holds while it is null or empty: "ranks to divide the model over;
// null: one, or those of mpirun".
std::string MeaningOf(const OptionKey& key);

// What holds while nobody sets the key, as help says it: "one, or those of mpirun", "the model's,
// or 0". Empty where there is nothing to say.
std::string UsualOf(const OptionKey& key);

// Whether keys begin with "section.".
bool IsSection(std::string_view section);

// Throws BadInput: `path` is no key; names the nearest.
[[noreturn]] void ThrowUnknownKey(std::string_view path, std::string_view where);

// One `key.path=value` of --set. A value in brackets is a YAML list.
void ApplySetting(Options& options, std::string_view setting);

// All of them. Throws BadInput also where two set the same key.
void ApplySettings(Options& options, std::span<const std::string> settings);

// The whole configuration as YAML, each key with its explanation. Reading it gives it back.
std::string PrintOptions(const Options& options);

}  // namespace lockstep
