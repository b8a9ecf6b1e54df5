#include "launcher/evaluation/evaluation_job.h"

#include <algorithm>

#include "api/jobs/line_call.h"
#include "core/error.h"
#include "core/files/file.h"
#include "core/heartbeat.h"
#include "core/log.h"

namespace lockstep {
namespace {

// Only the numbers of the records are of use.
class AnswerSink : public RecordSink {
 public:
  explicit AnswerSink(std::vector<Answer>& answers) : answers_(answers) {}

  bool Has(std::int64_t) const override { return false; }
  void Put(std::int64_t index, std::string_view record) override {
    const auto at = static_cast<std::size_t>(index);
    if (answers_.size() <= at) answers_.resize(at + 1);
    if (IsErrorRecord(record))
      ++errors_;
    else
      answers_[at] = ReadAnswer(record);
  }
  std::int64_t errors() const override { return errors_; }
  std::int64_t resumed() const override { return 0; }
  void Commit() override {}

 private:
  std::vector<Answer>& answers_;
  std::int64_t errors_ = 0;
};

}  // namespace

void EvaluationJob::Prepare(const ModelFiles& model) {
  lines_.MakeFor(scores_.options, model);
  scores_.input = lines_.file();
  model_ = model;
  answers_.clear();
  BatchJob::Prepare(model);
}

void EvaluationJob::SayHeading(std::string_view end) const {
  if (heading_.empty() || scores_.verbosity == Verbosity::kQuiet) return;
  LogInfo("{}{}", heading_, end);
}

ExitCode EvaluationJob::Run(const JobContext& place) {
  if (place.grid.world().rank() == 0) {
    SetLogRank(0, 1);  // said for all ranks
    SayHeading("");
    SetLogRank(0, place.grid.world().size());
  }
  return BatchJob::Run(place);
}

std::unique_ptr<RecordSink> EvaluationJob::OpenRecords() {
  if (KeepsScores()) return BatchJob::OpenRecords();
  return std::make_unique<AnswerSink>(answers_);
}

// The results are still to be made.
ExitCode EvaluationJob::ReportFinished() const {
  SetLogRank(0, 1);  // said for all ranks
  SayHeading(": was computed before");
  if (finished()->errors == 0) return ExitCode::kOk;
  ReportErrors(*finished(), "");
  return ExitCode::kBadInput;
}

void EvaluationJob::ReportErrors(const FinishedJob& job, const std::string& first) const {
  // Without the place: the lines are nobody's.
  const auto reason = first.find(": ");
  failure_ = fmt::format(
      "{}: {} of {} requests could not be scored{}; give --restart with another "
      "model",
      scores_.options.model.path, job.errors, job.lines,
      reason == first.npos ? "" : fmt::format("; the first{}", first.substr(reason)));
  LogError("{}", failure_);
}

std::vector<Answer> EvaluationJob::Answers() const {
  if (!KeepsScores()) return answers_;
  const std::string text = ReadFile(scores_.output);
  std::vector<Answer> answers;
  for (std::string_view rest = text; !rest.empty(); Heartbeat()) {
    const std::string_view record = rest.substr(0, rest.find('\n'));
    answers.push_back(ReadAnswer(record));
    rest.remove_prefix(std::min(record.size() + 1, rest.size()));
  }
  return answers;
}

EvaluationResult EvaluationJob::Result() const { return Evaluate(lines_.plan(), Answers()); }

}  // namespace lockstep
