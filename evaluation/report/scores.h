#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace lockstep {

// One metric of one task for one checkpoint.
struct TaskScore {
  std::string model = {};  // "EleutherAI/pythia-70m", or a folder
  std::string revision = {};
  std::int64_t parameters = 0;  // 0: not said
  std::string task = {};
  std::int64_t shots = 0;
  std::string metric = {};
  double value = 0.0;
  std::optional<double> error = {};  // standard error

  // The training step that the revision names.
  std::optional<std::int64_t> step() const;
};

// All numbers of an object in lm-evaluation-harness's layout: today's, which lockstep writes, too,
// or that of its versions before 0.4, in which the Pythia repository publishes the suite's scores.
// None where the object does not name a model. Throws BadInput, naming `where`, for what is no such
// object.
std::vector<TaskScore> ScoresIn(const Json& results, std::string_view where);

// Scores of others.
struct PublishedScores {
  std::vector<TaskScore> scores = {};
  std::int64_t files = 0;
  std::int64_t without_model = 0;  // of the files: those without a named model's scores
};

// Of a JSON file with one such object, a list of them or {"models": [...]}; or of all files
// *.json in a folder and in those below it, where others are passed over. Throws BadInput,
// EnvironmentError.
PublishedScores ReadPublished(const std::filesystem::path& place);

// What two names of one model have in common: "EleutherAI/pythia-v1.1-70m", as the suite's files
// say, and "EleutherAI/pythia-70m", as it is on the hub, are both "pythia-70m".
std::string CommonName(std::string_view model);

}  // namespace lockstep
