#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "planning/fit/calibrate.h"

namespace lockstep {

// What `plan --fit` found, for people in 80 columns. `start` is what it began with.
std::string FitText(const std::string& model, const Machine& start, const Calibration& calibration);

nlohmann::ordered_json FitJson(const Machine& start, const Calibration& calibration);

}  // namespace lockstep
