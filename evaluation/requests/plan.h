#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/requests/windows.h"
#include "evaluation/tasks/tasks.h"
#include "runtime/options/commands/evaluation_options.h"

namespace lockstep {

// Everything that an evaluation asks a model, as windows (windows.h) in the order in which they
// stand here: task by task, document by document, pair by pair, and the windows of the text.

struct PlannedDocument {
  Document document;
  Question question;
  std::string examples;              // before each of the question's contexts
  std::vector<std::size_t> windows;  // how many each of its pairs has
};

struct PlannedTask {
  const EvaluationTask* task = nullptr;
  std::int64_t shots = 0;
  std::int64_t documents_in_file = 0;
  std::int64_t cut_pairs = 0;  // with a continuation longer than the model's context
  std::vector<PlannedDocument> documents;
};

struct PlannedText {
  std::string file;
  std::int64_t bytes = 0;
  std::int64_t words = 0;
  std::int64_t tokens = 0;
  std::size_t windows = 0;
};

struct EvaluationPlan {
  std::vector<PlannedTask> tasks;
  std::optional<PlannedText> text;
};

// Reads the documents and cuts all that is asked of them into windows, which take() gets one by
// one. The same every time. Throws BadInput.
EvaluationPlan PlanEvaluation(const EvaluationOptions& options, const TokenRules& rules,
                              const std::function<void(const Window&)>& take);

// Reads the documents, and throws what PlanEvaluation() throws whatever the model is.
void CheckDocuments(const EvaluationOptions& options);

// A window as a line of what `lockstep score` reads, without the line's end.
std::string ScoreLine(const Window& window);

}  // namespace lockstep
