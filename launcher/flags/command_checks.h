#pragma once

#include <string>

#include "runtime/options/arguments.h"

namespace lockstep {

// What a command needs and what contradicts, once everything is read. output_given: --output as it
// was given; empty where it was not. Throws BadInput.
void CheckCommand(const Arguments& arguments, const std::string& output_given);

}  // namespace lockstep
