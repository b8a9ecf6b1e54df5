#pragma once

#include <string>

#include "bench/scaling/scaling_result.h"

namespace lockstep {

// A result for people, in 80 columns.
std::string ScalingText(const ScalingResult& result);

// The same as a page (report/page.h): tables, and plots to save as SVG.
std::string ScalingPage(const ScalingResult& result);

}  // namespace lockstep
