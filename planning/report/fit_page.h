#pragma once

#include <string>

#include "planning/fit/calibrate.h"

namespace lockstep {

// The same as a page of HTML, with what was measured drawn against what is predicted.
std::string FitHtml(const std::string& model, const Machine& start, const Calibration& calibration);

}  // namespace lockstep
