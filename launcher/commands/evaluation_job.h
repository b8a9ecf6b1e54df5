#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "batch/batch_job.h"
#include "evaluation/requests/plan.h"
#include "evaluation/results/results.h"
#include "evaluation/results/results_json.h"

namespace lockstep {

// What an evaluation asks of one model, as a batch job of scores: so it goes on after a kill, and
// groups of ranks share it. Between its lines and what they mean stands evaluation/.
class EvaluationJob : public BatchJob {
 public:
  // scores: what eval was given, with this model's name, the command kScore, and as the output
  // where the scores are kept ("-": nowhere). Its input is set by Prepare(). The caller's.
  explicit EvaluationJob(Arguments& scores) : BatchJob(scores), scores_(scores) {}

  void Prepare(const ModelFiles& model) override;
  ExitCode ReportFinished() const override;

  const EvaluatedModel& model() const { return model_; }
  const EvaluationPlan& plan() const { return plan_; }
  // When it has been run, or was finished() already. Refers to the plan.
  EvaluationResult Result() const;
  // What was kept to go on from is of no more use.
  void ForgetScores() const;

 protected:
  std::string_view unit() const override { return "requests"; }
  std::unique_ptr<RecordSink> OpenRecords() override;
  void ReportErrors(const FinishedJob& job, const std::string& first) const override;

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  bool KeepsScores() const { return scores_.output != "-"; }
  std::vector<Answer> Answers() const;

  Arguments& scores_;
  std::unique_ptr<std::FILE, CloseFile> lines_;  // has no name
  EvaluationPlan plan_;
  EvaluatedModel model_;
  std::vector<Answer> answers_;  // where they are not kept in a file
};

}  // namespace lockstep
