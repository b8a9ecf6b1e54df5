#pragma once

#include "launcher/commands/progress.h"
#include "launcher/config/arguments.h"

namespace lockstep {

// Progress on standard error: a line that is written over where a person sees it, else lines in a
// log, such as that of a cluster's job; nothing with --quiet.
ProgressOutput ProgressOnStderr(Verbosity verbosity);

}  // namespace lockstep
