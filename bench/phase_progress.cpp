#include "bench/phase_progress.h"

namespace lockstep {

ProgressOutput ProgressOfPhases(int rank, Verbosity verbosity) {
  ProgressOutput output = ProgressOnStderr(rank == 0 ? verbosity : Verbosity::kQuiet);
  output.terminal_period = {};
  return output;
}

}  // namespace lockstep
