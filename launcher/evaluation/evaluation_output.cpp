#include "launcher/evaluation/evaluation_output.h"

#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include <ctime>
#include <set>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "core/version.h"
#include "evaluation/checkpoints/checkpoint_names.h"
#include "evaluation/report/score_report.h"
#include "evaluation/results/results_table.h"
#include "evaluation/tasks/tasks.h"
#include "runtime/standard_streams.h"

namespace lockstep {
namespace {

void RefuseOneFile(std::string_view flag, const std::string& file, std::string_view other_flag,
                   const std::string& other) {
  if (!file.empty() && file == other)
    throw BadInput("eval: {} and {} are both {}; expected two files", flag, other_flag, file);
}

std::string Now() {
  const std::time_t now = std::time(nullptr);
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(now));
}

std::string Counted(const std::optional<std::int64_t>& limit) {
  return limit ? fmt::format("the first {}", *limit) : "all";
}

// Of all models; auto may have chosen different ones.
std::string DtypesOf(const std::vector<OrderedJson>& models) {
  std::set<std::string> names;
  for (const OrderedJson& model : models) names.insert(model["config"]["model_dtype"]);
  return fmt::format("{}", fmt::join(names, ", "));
}

// "sciq on org/name@step1000"
std::string TaskOfModel(std::string_view task, const CheckpointName& name) {
  return fmt::format("{} on {}", task, name.full());
}

// What the results in a file are of.
std::vector<std::string> ContentsOf(const Json& all, const std::string& file) {
  std::vector<std::string> contents;
  const bool is_series = all.is_object() && all.contains("models");
  for (const Json& one : is_series ? all["models"] : Json::array({all})) try {
      const Json& asked = one.at("config").at("model_args");
      const CheckpointName name{asked.at("pretrained"), asked.value("revision", "")};
      for (const auto& [task, metrics] : one.at("results").items())
        contents.push_back(TaskOfModel(task, name));
    } catch (const Json::exception&) {
      throw BadInput(
          "eval: {} is there, and has no results of lockstep eval; give another --output, or "
          "--restart to write over it",
          file);
    }
  return contents;
}

}  // namespace

void EvaluationOutput::Check() const {
  const EvaluationOptions& asked = arguments_.evaluation;
  const std::string& output = arguments_.output;
  RefuseOneFile("--output", output, "--samples", asked.samples);
  RefuseOneFile("--output", output, "--html", asked.html);
  RefuseOneFile("--samples", asked.samples, "--html", asked.html);
  for (const std::string& file : {output, asked.samples, asked.html}) {
    if (file.empty()) continue;
    for (const std::string& read : {asked.perplexity, asked.published})
      if (!read.empty()) RefuseSameFile(read, file);
    for (const std::string& name : asked.tasks) {
      const EvaluationTask& task = FindTask(name);
      for (const auto& read : {task.documents, task.labels, task.training, task.training_labels})
        if (!read.empty()) RefuseSameFile(std::filesystem::path(asked.data) / read, file);
    }
    CheckWritable(file);
  }
  if (arguments_.restart == Restart::kGoOn) RefuseToLoseResults();
}

// An output may grow by models and tasks. Where it would lose some it was meant for another
// evaluation.
void EvaluationOutput::RefuseToLoseResults() const {
  const std::string& file = arguments_.output;
  if (file.empty() || file == "-" || !IsRegularFile(file)) return;
  std::set<std::string> planned;
  for (const CheckpointName& name : CheckpointsOf(arguments_.evaluation)) {
    for (const std::string& task : arguments_.evaluation.tasks)
      planned.insert(TaskOfModel(task, name));
    if (!arguments_.evaluation.perplexity.empty()) planned.insert(TaskOfModel("perplexity", name));
  }
  const Json before = Json::parse(ReadFile(file), nullptr, /*allow_exceptions=*/false);
  for (const std::string& there : ContentsOf(before, file))
    if (!planned.contains(there))
      throw BadInput(
          "eval: {} has the results of {}, which this evaluation is not of; give another --output, "
          "or --restart to write over it",
          file, there);
}

void EvaluationOutput::CheckPublished() const {
  const std::string& published = arguments_.evaluation.published;
  if (!published.empty()) ReadPublished(published);
}

void EvaluationOutput::Add(const EvaluationResult& result, const EvaluatedModel& model,
                           const EvaluationRun& run) {
  const EvaluationOptions& asked = arguments_.evaluation;
  models_.push_back(ResultsJson(result, asked, model, run));
  const std::string name = CheckpointName{model.name, model.revision}.full();
  if (!asked.samples.empty()) {
    if (samples_ == nullptr) samples_ = std::make_unique<Output>(asked.samples);
    WriteSamples(result, name, [&](std::string_view line) { samples_->Write(line); });
  }
  if (arguments_.output == "-") return;
  WriteStandardOutput((has_table_ ? "\n" : "") + ResultsTable(result, name));
  has_table_ = true;
}

void EvaluationOutput::AddMissing(const std::string& model, std::string_view why) {
  missing_.push_back({{"model", model}, {"reason", why}});
}

// That of one model is the harness's own object.
OrderedJson EvaluationOutput::All() const {
  if (arguments_.evaluation.checkpoints() == 1) return models_.front();
  OrderedJson all = {{"models", models_}};
  if (!missing_.empty()) all["not_evaluated"] = missing_;
  return all;
}

void EvaluationOutput::Commit() {
  if (samples_ != nullptr) samples_->Commit();
  // Before the results, which may be written into the folder of the published scores.
  if (!arguments_.evaluation.html.empty()) WriteReport();
  if (!arguments_.output.empty()) {
    Output output(arguments_.output);
    output.Write(All().dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
    output.Commit();
  }
}

void EvaluationOutput::WriteReport() const {
  const EvaluationOptions& asked = arguments_.evaluation;
  ReportedScores reported{
      .scores = {},
      .published = {},
      .left_out = {},
      .facts = {{"lockstep", std::string(Version())},
                {"rules", fmt::format("lm-evaluation-harness {}", kHarnessVersion)},
                {"date", Now()},
                {"dtype of the weights", DtypesOf(models_)},
                {"examples before each question", std::to_string(asked.num_fewshot)},
                {"documents of each task", Counted(asked.limit)}}};
  for (const OrderedJson& model : models_) {
    const std::vector<TaskScore> scores = ScoresIn(Json(model), "results");
    reported.scores.insert(reported.scores.end(), scores.begin(), scores.end());
  }
  for (const OrderedJson& one : missing_)
    reported.left_out.emplace_back(one["model"].get<std::string>(),
                                   one["reason"].get<std::string>());
  if (!asked.published.empty()) reported.published = ReadPublished(asked.published);
  Output page(asked.html);
  page.Write(ScoreReport(reported));
  page.Commit();
}

}  // namespace lockstep
