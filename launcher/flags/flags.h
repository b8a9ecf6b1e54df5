#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/options/options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lockstep {

// A flag that is short for `--set key=value`. Its help and its default come from the key, but for
// what a command does otherwise.
struct Flag {
  const char* name;             // "--tp", or "MODEL,--model" where it may stand without its name
  const char* key;              // "parallel.tp"
  const char* value;            // what help calls its value: "N"; null: the words that it may be
  const char* help = nullptr;   // null: the key's
  const char* usual = nullptr;  // what holds without it; null: the key's default
};

// A flag whose value the command reads itself.
struct ValueFlag {
  const char* name;
  std::string& text;
  const char* value;
  const char* help;
  std::string usual = {};  // what holds without it; empty: nothing to say
};
void AddValueFlag(CLI::App& command, std::string_view heading, const ValueFlag& flag);

// A flag without a value, that is short for `--set key=value`.
struct Switch {
  const char* name;       // "--ignore-eos"
  const char* key;        // "sampling.ignore_eos"
  const char* value;      // "true"
  std::string help = {};  // empty: the key's
};

// The flags of a command that set options, and what the command line gave for them.
class OptionFlags {
 public:
  // Adds flags to a command, under a heading of its help.
  void Add(CLI::App& command, std::string_view heading, std::initializer_list<Flag> flags);
  // --stop TEXT, any number of times.
  void AddStop(CLI::App& command, std::string_view heading);
  void AddSwitch(CLI::App& command, std::string_view heading, const Switch& flag);

  // What holds without each flag of a heading where a model's own defaults are left out, as in
  // benchmarks: the key's default, and these words.
  void SetUsualOfKeys(CLI::App& command, std::string_view heading, const std::string& words) const;

  // Sets what was given. Throws BadInput naming the flag.
  void Apply(Options& options) const;

  // The key that a flag sets; empty where it sets none.
  std::string KeyOf(const std::string& name) const;

  // What the last `name` on the command line said; empty when it was not there.
  std::string Given(const std::string& name) const;

 private:
  struct Value {
    std::string key;
    std::string text;
    CLI::Option* option = nullptr;
  };

  std::map<std::string, Value> values_;  // by flag; nodes stay where they are, as CLI11 needs
  std::vector<std::string> stop_;
  CLI::Option* stop_option_ = nullptr;
};

// "bench serve" is what the command serve of the command bench is called.
std::string FullName(const CLI::App& command);

// --api-key KEY, which is no key of a configuration: those are printed, and repeated to the ranks.
void AddApiKey(CLI::App& command, std::string_view heading, std::optional<std::string>& key);

// Throws BadInput for a flag with one value that was given more than once.
void RefuseRepeated(const CLI::App& command);

// Throws BadInput when arguments were left over that no flag took: the first of them, and the
// nearest flag or command.
void RefuseLeftovers(const CLI::App& app);

// The command that was given, which may stand below another one. Throws BadInput where there is
// none, or more than one thing to do.
const CLI::App& GivenCommand(const CLI::App& app);

}  // namespace lockstep
