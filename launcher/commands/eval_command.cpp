#include <chrono>
#include <list>

#include "batch/output.h"
#include "core/error.h"
#include "core/files/file.h"
#include "core/log.h"
#include "evaluation/results/results_table.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/evaluation_job.h"
#include "runtime/standard_streams.h"

namespace lockstep {
namespace {

// One model of the evaluation. The job refers to the arguments.
struct ModelEvaluation {
  explicit ModelEvaluation(Arguments arguments) : scores(std::move(arguments)) {}

  Arguments scores;
  EvaluationJob job{scores};
};

// Beside the results, whose file can go on later.
std::string ScoresFile(const std::string& output, std::size_t model) {
  if (output.empty() || !IsAtomicTarget(output)) return "-";
  return model == 0 ? output + ".scores" : fmt::format("{}.{}.scores", output, model + 1);
}

std::list<ModelEvaluation> EachModel(const Arguments& arguments) {
  const std::vector<std::string>& models = arguments.evaluation.models;
  std::list<ModelEvaluation> evaluations;
  for (std::size_t i = 0; i < models.size(); ++i) {
    Arguments scores = arguments;
    scores.command = Command::kScore;
    scores.options.model.path = models[i];
    scores.output = ScoresFile(arguments.output, i);
    evaluations.emplace_back(std::move(scores));
  }
  return evaluations;
}

// Now, not after hours of work.
void CheckOutputs(const Arguments& arguments) {
  const EvaluationOptions& asked = arguments.evaluation;
  if (!asked.samples.empty() && asked.samples == arguments.output)
    throw BadInput("eval: --output and --samples are both {}; expected two files", asked.samples);
  for (const std::string& output : {arguments.output, asked.samples}) {
    if (output.empty()) continue;
    if (!asked.perplexity.empty()) RefuseSameFile(asked.perplexity, output);
    for (const std::string& name : asked.tasks) {
      const EvaluationTask& task = FindTask(name);
      for (const auto& file : {task.documents, task.labels, task.training, task.training_labels})
        if (!file.empty()) RefuseSameFile(std::filesystem::path(asked.data) / file, output);
    }
    CheckWritable(output);
  }
}

class Finish {
 public:
  Finish(const Arguments& arguments, std::list<ModelEvaluation>& evaluations)
      : arguments_(arguments), evaluations_(evaluations) {}

  ExitCode operator()() const;

 private:
  EvaluationRun Run() const;
  void WarnOfCuts(const EvaluationJob& job) const;

  const Arguments& arguments_;
  std::list<ModelEvaluation>& evaluations_;
  std::chrono::system_clock::time_point start_ = std::chrono::system_clock::now();
};

EvaluationRun Finish::Run() const {
  const auto now = std::chrono::system_clock::now();
  return {.start = std::chrono::duration<double>(start_.time_since_epoch()).count(),
          .seconds = std::chrono::duration<double>(now - start_).count()};
}

void Finish::WarnOfCuts(const EvaluationJob& job) const {
  if (arguments_.verbosity == Verbosity::kQuiet) return;
  for (const PlannedTask& task : job.plan().tasks)
    if (task.cut_pairs > 0)
      LogWarning(
          "{}: {} answers are longer than the {} tokens of {}'s context and are scored in pieces; "
          "lm-evaluation-harness refuses them",
          task.task->name, task.cut_pairs, job.model().context_tokens, job.model().name);
}

// Everything is there: results, samples and the table.
ExitCode Finish::operator()() const {
  OrderedJson models = OrderedJson::array();
  std::string tables;
  const std::string& samples = arguments_.evaluation.samples;
  const auto lines = samples.empty() ? nullptr : std::make_unique<Output>(samples);
  for (const ModelEvaluation& one : evaluations_) {
    const EvaluatedModel& model = one.job.model();
    const EvaluationResult result = one.job.Result();
    WarnOfCuts(one.job);
    models.push_back(ResultsJson(result, arguments_.evaluation, model, Run()));
    tables += (tables.empty() ? "" : "\n") + ResultsTable(result, model.name);
    if (lines) WriteSamples(result, model.name, [&](std::string_view line) { lines->Write(line); });
  }
  if (lines) lines->Commit();
  if (arguments_.output != "-") WriteStandardOutput(tables);
  if (arguments_.output.empty()) return ExitCode::kOk;
  const OrderedJson all =
      models.size() == 1 ? models.front() : OrderedJson{{"models", std::move(models)}};
  Output output(arguments_.output);
  output.Write(all.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  output.Commit();
  for (const ModelEvaluation& one : evaluations_) one.job.ForgetScores();
  return ExitCode::kOk;
}

}  // namespace

int RunEval(const Arguments& arguments, std::span<const std::string> arguments_given) {
  for (const std::string& name : arguments.evaluation.tasks) FindTask(name);
  CheckOutputs(arguments);
  std::list<ModelEvaluation> evaluations = EachModel(arguments);
  std::vector<ModelRun> runs;
  for (ModelEvaluation& one : evaluations) runs.push_back({&one.scores, &one.job});
  return RunModelJobs(runs, arguments_given, Finish(arguments, evaluations));
}

}  // namespace lockstep
