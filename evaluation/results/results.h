#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/requests/plan.h"

namespace lockstep {

// What a model has answered, and what that is worth.

// How likely a continuation is (the natural logarithm of its probability), and whether it is what
// greedy decoding would have chosen.
struct Answer {
  double loglikelihood = 0.0;
  bool is_greedy = true;
};

// Of the record that `lockstep score` gives to a line with a context. Throws BadInput with the
// reason where the record says that the line could not be used.
Answer ReadAnswer(std::string_view record);

struct MetricValue {
  std::string name;
  double value = 0.0;
  std::optional<double> error = {};  // its standard error, where there is one
  bool higher_is_better = true;
};

struct DocumentResult {
  std::vector<Answer> answers;  // one for each pair of its question
  std::vector<double> values;   // one for each metric of the task
};

struct TaskResult {
  const PlannedTask* plan = nullptr;
  std::vector<DocumentResult> documents;
  std::vector<MetricValue> metrics;
};

struct TextPerplexity {
  const PlannedText* plan = nullptr;
  double loglikelihood = 0.0;
  std::vector<MetricValue> metrics;
};

struct EvaluationResult {
  std::vector<TaskResult> tasks;
  std::optional<TextPerplexity> text;
};

// windows: the answer to each window of the plan, which outlives the result.
EvaluationResult Evaluate(const EvaluationPlan& plan, std::span<const Answer> windows);

}  // namespace lockstep
