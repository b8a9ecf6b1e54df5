#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launcher/flags/commands/bench_flags.h"
#include "launcher/flags/commands/eval_flags.h"
#include "launcher/flags/commands/load_flags.h"
#include "launcher/flags/commands/plan_flags.h"
#include "launcher/flags/commands/scaling_flags.h"
#include "launcher/flags/flags.h"

namespace lockstep {

// What the command line gave for the flags of one command, each of which has some of these.
struct Bindings {
  OptionFlags flags;
  std::string config;
  std::vector<std::string> settings;
  std::string prompt;
  std::string prompt_file;
  std::string revision;
  std::string shell;   // completion
  std::string manual;  // manual: the page's name
  std::string url;
  std::string tls_ca;
  std::optional<std::string> api_key;
  std::string input;
  std::string output;
  std::string trace_file;
  CLI::Option* prompt_option = nullptr;
  bool escape = false;
  bool list = false;
  bool print_config = false;
  bool quiet = false;
  bool verbose = false;
  bool restart = false;
  bool elastic = false;
  bool decode = false;
  bool json = false;
  bool random_weights = false;
  BenchFlags bench;
  LoadFlags load;
  ScalingFlags scaling;
  CompareFlags compare;
  EvalFlags eval;
  PlanFlags plan;
};

using AllBindings = std::map<std::string, Bindings>;  // by FullName()

// The heading of flags that say where text or JSON comes from and goes to.
inline constexpr const char* kTextGroup = "Input and output";
inline constexpr const char* kJsonHelp = "prints JSON, for programs, in place of text";

// Adds a command without flags: below the program, or below `app` where that is a command itself.
Bindings& AddCommand(CLI::App& app, AllBindings& all, const std::string& name,
                     std::pair<const char*, const char*> help_and_footer);

// Adds every command with its flags, which are bound to `all`: it outlives the parsing.
void AddCommands(CLI::App& app, AllBindings& all);

}  // namespace lockstep
