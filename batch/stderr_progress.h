#pragma once

#include "batch/progress.h"
#include "runtime/options/arguments.h"

namespace lockstep {

// Progress on standard error: a line that is written over where a person sees it, else lines in a
// log, such as that of a cluster's job; nothing with --quiet.
ProgressOutput ProgressOnStderr(Verbosity verbosity);

}  // namespace lockstep
