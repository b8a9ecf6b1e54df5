#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "planning/goal/goal.h"

namespace lockstep {

// The answer to `plan --goal`, for people in 80 columns: at most `most` layouts.
std::string GoalText(const std::string& model, const GoalSearch& search, const GoalAnswer& answer,
                     std::size_t most = 10);

nlohmann::ordered_json GoalJson(const GoalSearch& search, const GoalAnswer& answer);

}  // namespace lockstep
