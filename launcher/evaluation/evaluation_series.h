#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/checkpoints/checkpoint_names.h"
#include "launcher/evaluation/evaluation_job.h"
#include "launcher/evaluation/evaluation_lines.h"
#include "launcher/evaluation/evaluation_output.h"
#include "serving/model_series.h"

namespace lockstep {

// The models of an evaluation, every revision being one. Where some of several cannot be used, the
// others are evaluated; then the exit code is that of the first that could not.
class EvaluationSeries : public ModelSeries {
 public:
  // arguments: of eval, the caller's. Throws BadInput, EnvironmentError for whatever is wrong
  // without looking at models.
  explicit EvaluationSeries(const Arguments& arguments);

  // Before hours of work: says which of several models are not on this machine, and throws BadInput
  // where none is, or the published scores cannot be used.
  void LookAhead() const;

  const Arguments& arguments() const override { return *first_; }
  std::size_t size() const override { return names_.size(); }
  ModelRun Begin(std::size_t index) override;
  void Done(std::size_t index, ExitCode code) override;
  void LeaveOut(std::size_t index, const Error& why) override;
  ExitCode End() override;

 private:
  std::unique_ptr<Arguments> ArgumentsOf(std::size_t index) const;
  std::string ScoresFile(std::size_t index) const;
  std::string Heading(std::size_t index) const;
  EvaluatedModel Describe(std::size_t index) const;
  void WarnOfCuts(const EvaluatedModel& model);
  void NoteMissing(std::size_t index, const Error& why);
  ExitCode EndWithMissing() const;
  void ForgetScores() const;

  const Arguments& eval_;
  std::vector<CheckpointName> names_;
  EvaluationOutput output_;
  EvaluationLines lines_;
  std::unique_ptr<Arguments> first_;
  std::unique_ptr<Arguments> scores_;  // of the job, which refers to them
  std::unique_ptr<EvaluationJob> job_;
  double start_ = 0.0;     // of the job, in seconds since 1970
  std::string warned_of_;  // a model
  std::vector<std::string> missing_;
  std::optional<ExitCode> first_fault_;
};

}  // namespace lockstep
