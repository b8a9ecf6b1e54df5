#pragma once

#include <optional>
#include <span>
#include <string>

#include "launcher/flags/commands/plan_options.h"
#include "runtime/options/arguments.h"

namespace lockstep {

struct CommandLine {
  std::optional<Arguments> run;  // empty: print `text` and end well
  std::string text;              // of --help, --version and --print-config
  PlanOptions plan = {};         // of the command plan
};

// arguments[0] is the program's name. Throws BadInput in one line: for an unknown flag or command
// with the nearest known one, for values of the wrong type, and for flags that contradict.
CommandLine ParseCommandLine(std::span<const std::string> arguments);

}  // namespace lockstep
