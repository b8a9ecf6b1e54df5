#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "api/requests.h"
#include "batch/files/finished_output.h"
#include "batch/job_identity.h"
#include "batch/progress.h"
#include "runtime/model_files.h"
#include "runtime/options/arguments.h"

namespace lockstep {

// What commands that read all their texts first, score and embed, have in common.

// The input's lines, tokenized and checked against the model.
struct TextJob {
  std::vector<ScoreRequest> texts;
  JobIdentity identity;                    // empty where the output is no file
  std::optional<FinishedOutput> finished;  // the output, where it is there already
};

// Also checks that the output can be written, before hours of work. group_size: see JobParts.
// Throws BadInput or EnvironmentError.
TextJob ReadTexts(const Arguments& arguments, const ModelFiles& model, int group_size);

// How far such a job is, as generate --input shows it; and in the end, unless that is not wanted,
// how much was done. Keeps references.
class TextProgress {
 public:
  TextProgress(const Arguments& arguments, const std::vector<ScoreRequest>& texts);

  void Done(std::size_t text);
  // Counts a text that gave no numbers. Returns its record, which says why.
  std::string Failed(std::size_t text, const std::string& error);
  // Says what has come of the job.
  ExitCode End();

 private:
  const Arguments& arguments_;
  const std::vector<ScoreRequest>& texts_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  ProgressLine line_;
  ProgressState state_;
  std::int64_t errors_ = 0;
  std::string first_error_;
};

}  // namespace lockstep
