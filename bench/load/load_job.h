#pragma once

#include <span>
#include <string>

#include "runtime/options/arguments.h"

namespace lockstep {

// `lockstep bench serve`: load on a server (arguments.url), or on the engine in this process.
// Returns the process's exit code: 3 where no request at all was answered.
int RunLoadBench(const Arguments& arguments, std::span<const std::string> arguments_given);

}  // namespace lockstep
