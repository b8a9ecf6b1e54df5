#include "emulation_counts.h"

extern "C" [[gnu::visibility("default")]] const lockstep::cuda_emulation::Statistics*
LockstepEmulationCounts() {
  return &lockstep::cuda_emulation::statistics();
}
