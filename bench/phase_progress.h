#pragma once

#include "runtime/progress/progress_line.h"

namespace lockstep {

// Where a benchmark says what it is at: on rank 0's standard error, nothing elsewhere. A phase is
// named when it begins, however short the one before was.
ProgressOutput ProgressOfPhases(int rank, Verbosity verbosity);

}  // namespace lockstep
