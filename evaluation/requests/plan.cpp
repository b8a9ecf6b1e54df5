#include "evaluation/requests/plan.h"

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/files/file.h"
#include "core/heartbeat.h"
#include "evaluation/tasks/few_shot.h"
#include "text/python_text.h"

namespace lockstep {
namespace {

std::vector<Document> Read(const EvaluationOptions& options, const EvaluationTask& task) {
  return ReadDocuments({.folder = options.data,
                        .documents = task.documents,
                        .labels = task.labels,
                        .purpose = fmt::format("task {}", task.name)});
}

std::vector<Document> ReadTraining(const EvaluationOptions& options, const EvaluationTask& task) {
  if (options.num_fewshot == 0 || task.training.empty()) return {};
  return ReadDocuments(
      {.folder = options.data,
       .documents = task.training,
       .labels = task.training_labels,
       .purpose = fmt::format("--num-fewshot {} of task {}", options.num_fewshot, task.name)});
}

// The questions of a task, with their examples and without windows.
PlannedTask Ask(const EvaluationOptions& options, const EvaluationTask& task) {
  const std::vector<Document> documents = Read(options, task);
  const std::vector<Document> training = ReadTraining(options, task);
  PlannedTask planned{.task = &task,
                      .shots = options.num_fewshot,
                      .documents_in_file = std::ssize(documents),
                      .documents = {}};
  const std::int64_t count = options.limit.value_or(planned.documents_in_file);
  FewShot examples(task, task.training.empty() ? documents : training,
                   static_cast<std::size_t>(options.num_fewshot));
  for (const Document& document : documents) {
    if (std::ssize(planned.documents) == count) break;
    planned.documents.push_back({.document = document,
                                 .question = task.ask(document),
                                 .examples = examples.Next(document),
                                 .windows = {}});
    Heartbeat();
  }
  return planned;
}

std::string ReadText(const std::string& file) {
  std::string text = ReadStream(file);
  if (text.empty()) throw BadInput("{}: is empty; expected a text", file);
  return text;
}

class Planner {
 public:
  Planner(const EvaluationOptions& options, const TokenRules& rules,
          const std::function<void(const Window&)>& take)
      : options_(options), rules_(rules), take_(take) {}

  PlannedTask Plan(const EvaluationTask& task) const;
  PlannedText PlanText() const;

 private:
  void Cut(PlannedDocument& document, PlannedTask& planned) const;

  const EvaluationOptions& options_;
  const TokenRules& rules_;
  const std::function<void(const Window&)>& take_;
};

void Planner::Cut(PlannedDocument& document, PlannedTask& planned) const {
  for (const TextPair& pair : document.question.pairs) {
    Heartbeat();
    try {
      const auto windows = CutPair({document.examples + pair.context, pair.continuation}, rules_);
      for (const Window& window : windows) take_(window);
      document.windows.push_back(windows.size());
      planned.cut_pairs += windows.size() > 1 ? 1 : 0;
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", document.document.where, error.what()));
    }
  }
}

PlannedTask Planner::Plan(const EvaluationTask& task) const {
  PlannedTask planned = Ask(options_, task);
  for (PlannedDocument& document : planned.documents) Cut(document, planned);
  return planned;
}

PlannedText Planner::PlanText() const {
  const std::string& file = options_.perplexity;
  const std::string text = ReadText(file);
  PlannedText planned{.file = file, .bytes = std::ssize(text)};
  std::vector<std::int32_t> tokens;
  try {
    tokens = rules_.tokenizer.Encode(text);  // refuses invalid UTF-8
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", file, error.what()));
  }
  planned.tokens = std::ssize(tokens);
  planned.words = CountSplitWords(text);
  for (const Window& window : RollingWindows(tokens, rules_.prefix.id(), rules_.context_tokens)) {
    take_(window);
    ++planned.windows;
  }
  return planned;
}

}  // namespace

EvaluationPlan PlanEvaluation(const EvaluationOptions& options, const TokenRules& rules,
                              const std::function<void(const Window&)>& take) {
  const Planner planner(options, rules, take);
  EvaluationPlan plan;
  for (const std::string& name : options.tasks) plan.tasks.push_back(planner.Plan(FindTask(name)));
  if (!options.perplexity.empty()) plan.text = planner.PlanText();
  return plan;
}

void CheckDocuments(const EvaluationOptions& options) {
  for (const std::string& name : options.tasks) Ask(options, FindTask(name));
  const std::string& text = options.perplexity;
  // What is no file may be readable once only.
  if (!text.empty() && (IsRegularFile(text) || !FileExists(text))) ReadText(text);
}

std::string ScoreLine(const Window& window) {
  return fmt::format("{{\"context\":[{}],\"continuation\":[{}]}}", fmt::join(window.context, ","),
                     fmt::join(window.continuation, ","));
}

}  // namespace lockstep
