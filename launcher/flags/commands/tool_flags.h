#pragma once

#include "launcher/flags/commands/command_flags.h"

namespace lockstep {

// Adds the commands that run no model: trace, env, completion and manual.
void AddTrace(CLI::App& app, AllBindings& all);
void AddTools(CLI::App& app, AllBindings& all);

}  // namespace lockstep
