#include "launcher/commands/evaluation_job.h"

#include <unistd.h>

#include <algorithm>

#include "api/jobs/line_call.h"
#include "core/error.h"
#include "core/files/file.h"
#include "core/heartbeat.h"
#include "core/log.h"
#include "partition/plan/shard_plan.h"

namespace lockstep {
namespace {

void WriteLine(std::FILE* file, const std::string& line) {
  if (std::fputs(line.c_str(), file) < 0 || std::fputc('\n', file) == EOF)
    throw EnvironmentError("eval: no room in the temporary folder for what is asked of the model");
}

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

EvaluatedModel Describe(const Arguments& arguments, const ModelSpec& spec) {
  return {.name = arguments.options.model.path,
          .dtype = std::string(Name(arguments.options.model.dtype)),
          .parameters = CountParameters(ShardPlan(spec, 1).Slices(0)).total(),
          .context_tokens = spec.context_tokens};
}

}  // namespace

void EvaluationJob::Prepare(const ModelFiles& model) {
  const Tokenizer tokenizer = OpenTokenizer(scores_.options, model);
  const std::string& named = scores_.options.model.tokenizer;
  const PrefixToken prefix(tokenizer, named.empty() ? model.folder.string() : named);
  lines_.reset(std::tmpfile());
  if (lines_ == nullptr)
    throw EnvironmentError("eval: no file can be made in the temporary folder");
  plan_ = PlanEvaluation(
      scores_.evaluation,
      {.tokenizer = tokenizer, .prefix = prefix, .context_tokens = model.spec.context_tokens},
      [&](const Window& window) { WriteLine(lines_.get(), ScoreLine(window)); });
  if (std::fflush(lines_.get()) != 0)
    throw EnvironmentError("eval: no room in the temporary folder for what is asked of the model");
  scores_.input = fmt::format("/proc/self/fd/{}", ::fileno(lines_.get()));
  model_ = Describe(scores_, model.spec);
  answers_.clear();
  BatchJob::Prepare(model);
}

std::unique_ptr<RecordSink> EvaluationJob::OpenRecords() {
  if (KeepsScores()) return BatchJob::OpenRecords();
  return std::make_unique<AnswerSink>(answers_);
}

// The results are still to be made.
ExitCode EvaluationJob::ReportFinished() const {
  if (finished()->errors == 0) return ExitCode::kOk;
  SetLogRank(0, 1);  // said for all ranks
  ReportErrors(*finished(), "");
  return ExitCode::kBadInput;
}

void EvaluationJob::ReportErrors(const FinishedJob& job, const std::string& first) const {
  // Without the place: the lines are nobody's.
  const auto reason = first.find(": ");
  LogError("{}: {} of {} requests could not be scored{}; give --restart with another model",
           model_.name, job.errors, job.lines,
           reason == first.npos ? "" : fmt::format("; the first{}", first.substr(reason)));
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

EvaluationResult EvaluationJob::Result() const { return Evaluate(plan_, Answers()); }

void EvaluationJob::ForgetScores() const {
  if (!KeepsScores()) return;
  for (const char* end : {"", ".done"}) ::unlink((scores_.output + end).c_str());
}

}  // namespace lockstep
