#pragma once

#include "layers/kernels/peaks.h"

namespace lockstep::cpu {

// The loops that use this architecture's own instructions, as far as this machine has them; empty
// on other architectures.
std::vector<Peak> NativePeaks();
std::vector<ReadLoop> NativeReadLoops();

}  // namespace lockstep::cpu
