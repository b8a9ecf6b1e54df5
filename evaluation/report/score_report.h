#pragma once

#include <string>
#include <utility>
#include <vector>

#include "evaluation/report/scores.h"

namespace lockstep {

// What a report of an evaluation shows.
struct ReportedScores {
  std::vector<TaskScore> scores;  // in the order in which checkpoints were evaluated
  PublishedScores published;      // beside them, where model, revision, task and shots are the same
  std::vector<std::pair<std::string, std::string>> left_out;  // checkpoints, and why
  std::vector<std::pair<std::string, std::string>> facts;     // names and values, at the top
};

// One HTML page: every metric of every task against the training step and against the model's size,
// with standard errors as bars, and as tables.
std::string ScoreReport(const ReportedScores& reported);

}  // namespace lockstep
