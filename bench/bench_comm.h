#pragma once

#include <span>
#include <string>

#include "runtime/options/arguments.h"

namespace lockstep {

// `lockstep bench comm`. Returns the process's exit code; throws BadInput for fewer than 2 ranks.
int RunCommBench(const Arguments& arguments, std::span<const std::string> arguments_given);

}  // namespace lockstep
