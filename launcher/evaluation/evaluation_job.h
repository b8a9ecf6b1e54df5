#pragma once

#include <memory>
#include <string>
#include <vector>

#include "batch/batch_job.h"
#include "evaluation/results/results.h"
#include "launcher/evaluation/evaluation_lines.h"

namespace lockstep {

// What an evaluation asks of one model, as a batch job of scores: so it goes on after a kill, and
// groups of ranks share it. Between its lines and what they mean stands evaluation/.
class EvaluationJob : public BatchJob {
 public:
  // scores: what eval was given, with this model's name, the command kScore, and as the output
  // where the scores are kept ("-": nowhere). Its input is set by Prepare(). All are the caller's.
  // heading: said before it is computed or found finished; empty: nothing is.
  EvaluationJob(Arguments& scores, EvaluationLines& lines, std::string heading)
      : BatchJob(scores), scores_(scores), lines_(lines), heading_(std::move(heading)) {}

  void Prepare(const ModelFiles& model) override;
  ExitCode Run(const JobContext& place) override;
  ExitCode ReportFinished() const override;

  // Of the model that it was prepared for.
  const ModelFiles& model() const { return model_; }
  // When it has been run, or was finished() already. Refers to the plan of the lines.
  EvaluationResult Result() const;
  // Why it has ended with kBadInput.
  const std::string& failure() const { return failure_; }

 protected:
  std::string_view unit() const override { return "requests"; }
  std::unique_ptr<RecordSink> OpenRecords() override;
  void ReportErrors(const FinishedJob& job, const std::string& first) const override;

 private:
  bool KeepsScores() const { return scores_.output != "-"; }
  void SayHeading(std::string_view end) const;
  std::vector<Answer> Answers() const;

  Arguments& scores_;
  EvaluationLines& lines_;
  std::string heading_;
  ModelFiles model_;
  mutable std::string failure_;
  std::vector<Answer> answers_;  // where they are not kept in a file
};

}  // namespace lockstep
