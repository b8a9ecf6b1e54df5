#pragma once

#include "bench/scaling/scaling_result.h"

namespace lockstep {

// Throws where a file of the results cannot be written, before anything is measured.
void CheckScalingFiles(const ScalingOptions& options);

// Writes what the options ask for; for people on standard output, unless something else goes there.
void WriteScaling(const ScalingResult& result);

}  // namespace lockstep
