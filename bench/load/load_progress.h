#pragma once

#include <string>

#include "bench/load/load_runner.h"

namespace lockstep {

// How a run goes, in one line. what: "round 2 of 3", "5.2 requests/s"; may be empty.
std::string ProgressText(const std::string& what, const RunProgress& progress);

}  // namespace lockstep
