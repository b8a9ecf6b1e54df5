#pragma once

#include <span>
#include <string>

#include "runtime/options/arguments.h"

namespace lockstep {

// complete: a line editor over a server, or over a model that it serves for itself. Returns the
// process's exit code: 2 where input that is no terminal had a line that could not be answered.
int RunLineEditor(const Arguments& arguments, std::span<const std::string> arguments_given);

}  // namespace lockstep
