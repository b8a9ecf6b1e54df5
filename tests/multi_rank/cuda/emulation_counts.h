#pragma once

#include "lockstep_emulation/control.h"

// What the emulated module says besides a module's own functions: the counts of its emulation.
constexpr const char* kEmulationCountsSymbol = "LockstepEmulationCounts";
using EmulationCounts = const lockstep::cuda_emulation::Statistics* (*)();
