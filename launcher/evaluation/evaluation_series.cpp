#include "launcher/evaluation/evaluation_series.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <chrono>

#include "core/log.h"
#include "evaluation/numbers/sha256.h"
#include "partition/model/model_folder.h"
#include "partition/plan/shard_plan.h"

namespace lockstep {
namespace {

double SecondsSince1970() {
  const auto now = std::chrono::system_clock::now();
  return std::chrono::duration<double>(now.time_since_epoch()).count();
}

// "a, b and 150 more"
std::string Several(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  if (names.size() <= kShown + 1) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{} and {} more", fmt::join(names.begin(), names.begin() + kShown, ", "),
                     names.size() - kShown);
}

// Why a model is not on this machine, if it is not.
std::optional<std::string> WhyMissing(const std::string& model) {
  try {
    ResolveModel(model);
    return std::nullopt;
  } catch (const Error& error) {
    return error.what();
  }
}

// A file's name takes 255 bytes at most.
std::string FileNamePart(const std::string& model) {
  constexpr std::size_t kMostBytes = 120;
  const std::string name = FileNameOf(model);
  return name.size() <= kMostBytes ? name : Sha256(model).substr(0, 32);
}

}  // namespace

EvaluationSeries::EvaluationSeries(const Arguments& arguments)
    : eval_(arguments),
      names_(CheckpointsOf(arguments.evaluation)),
      output_(arguments),
      lines_(arguments.evaluation) {
  output_.Check();
  // What is wrong with the documents is not the fault of each of many models.
  if (names_.size() > 1) CheckDocuments(arguments.evaluation);
  first_ = ArgumentsOf(0);
}

void EvaluationSeries::LookAhead() const {
  output_.CheckPublished();
  if (names_.size() == 1) return;
  std::vector<std::string> missing, reasons;
  for (const CheckpointName& name : names_) {
    const auto why = WhyMissing(name.full());
    if (!why) continue;
    missing.push_back(name.full());
    reasons.push_back(*why);
  }
  if (missing.empty()) return;
  if (missing.size() == names_.size())
    throw BadInput("eval: none of the {} checkpoints is on this machine; the first: {}",
                   missing.size(), reasons.front());
  LogWarning("{} of {} checkpoints are not on this machine and are left out: {}; the first: {}",
             missing.size(), names_.size(), Several(missing), reasons.front());
}

// Beside the results, whose file can go on later.
std::string EvaluationSeries::ScoresFile(std::size_t index) const {
  if (eval_.output.empty() || !IsAtomicTarget(eval_.output)) return "-";
  if (names_.size() == 1) return eval_.output + ".scores";
  return fmt::format("{}.{}.scores", eval_.output, FileNamePart(names_[index].full()));
}

std::unique_ptr<Arguments> EvaluationSeries::ArgumentsOf(std::size_t index) const {
  auto scores = std::make_unique<Arguments>(eval_);
  scores->command = Command::kScore;
  scores->options.model.path = names_[index].full();
  scores->output = ScoresFile(index);
  return scores;
}

std::string EvaluationSeries::Heading(std::size_t index) const {
  if (names_.size() == 1) return "";
  return fmt::format("{} of {}: {}", index + 1, names_.size(), names_[index].full());
}

ModelRun EvaluationSeries::Begin(std::size_t index) {
  job_.reset();
  scores_ = ArgumentsOf(index);
  job_ = std::make_unique<EvaluationJob>(*scores_, lines_, Heading(index));
  start_ = SecondsSince1970();
  return {scores_.get(), job_.get()};
}

EvaluatedModel EvaluationSeries::Describe(std::size_t index) const {
  const ModelFiles& model = job_->model();
  const bool in_hub = model.folder.parent_path().filename() == "snapshots";
  return {.name = names_[index].model,
          .revision = names_[index].revision,
          .commit = in_hub ? model.folder.filename().string() : "",
          .dtype = std::string(Name(model.format)),
          .parameters = CountParameters(ShardPlan(model.spec, 1).Slices(0)).total(),
          .context_tokens = model.spec.context_tokens};
}

// Once for all revisions.
void EvaluationSeries::WarnOfCuts(const EvaluatedModel& model) {
  if (eval_.verbosity == Verbosity::kQuiet || warned_of_ == model.name) return;
  warned_of_ = model.name;
  for (const PlannedTask& task : lines_.plan().tasks)
    if (task.cut_pairs > 0)
      LogWarning(
          "{}: {} answers are longer than the {} tokens of {}'s context and are scored in pieces; "
          "lm-evaluation-harness refuses them",
          task.task->name, task.cut_pairs, model.context_tokens, model.name);
}

void EvaluationSeries::Done(std::size_t index, ExitCode code) {
  if (code != ExitCode::kOk) return NoteMissing(index, Error(code, job_->failure()));
  const EvaluatedModel model = Describe(index);
  const EvaluationResult result = job_->Result();
  WarnOfCuts(model);
  output_.Add(result, model, {.start = start_, .seconds = SecondsSince1970() - start_});
}

void EvaluationSeries::NoteMissing(std::size_t index, const Error& why) {
  const std::string name = names_[index].full();
  missing_.push_back(name);
  output_.AddMissing(name, why.what());
  if (!first_fault_) first_fault_ = why.code();
}

void EvaluationSeries::LeaveOut(std::size_t index, const Error& why) {
  SetLogRank(0, 1);  // said for all ranks
  LogError("{} is left out: {}", Heading(index), why.what());
  NoteMissing(index, why);
}

// What was kept to go on from is of no more use, unless the others are still to come.
void EvaluationSeries::ForgetScores() const {
  if (ScoresFile(0) == "-") return;
  for (std::size_t index = 0; index < names_.size(); ++index)
    for (const char* end : {"", ".done"}) ::unlink((ScoresFile(index) + end).c_str());
}

ExitCode EvaluationSeries::EndWithMissing() const {
  if (names_.size() > 1) {
    SetLogRank(0, 1);  // said for all ranks
    const std::string kept =
        ScoresFile(0) == "-" || output_.empty()
            ? ""
            : fmt::format("; {} has the others, and the same command goes on from there",
                          eval_.output);
    LogError("{} of {} checkpoints were not evaluated: {}{}", missing_.size(), names_.size(),
             Several(missing_), kept);
  }
  return *first_fault_;
}

ExitCode EvaluationSeries::End() {
  if (!output_.empty()) output_.Commit();
  if (first_fault_) return EndWithMissing();
  ForgetScores();
  return ExitCode::kOk;
}

}  // namespace lockstep
