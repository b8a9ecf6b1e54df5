#pragma once

#include <string>

#include "runtime/options/arguments.h"

namespace lockstep {

// The command of this name, which is one of the program's: "score", "bench serve".
Command CommandOf(const std::string& name);

}  // namespace lockstep
