#pragma once

#include <string>
#include <string_view>

#include "evaluation/results/results.h"

namespace lockstep {

// The results of a model for people: a heading with its name and a line for each metric, none
// longer than 80 columns.
std::string ResultsTable(const EvaluationResult& result, std::string_view model);

}  // namespace lockstep
