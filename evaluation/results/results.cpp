#include "evaluation/results/results.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "core/error.h"
#include "evaluation/numbers/statistics.h"
#include "text/python_text.h"

namespace lockstep {
namespace {

// The answers to windows, taken one after the other.
class Windows {
 public:
  explicit Windows(std::span<const Answer> answers) : answers_(answers) {}

  // Of a continuation that was cut into so many.
  Answer Take(std::size_t count) {
    LOCKSTEP_CHECK(count <= answers_.size(), "{} of {}", count, answers_.size());
    Answer sum;
    for (const Answer& one : answers_.first(count)) {
      sum.loglikelihood += one.loglikelihood;
      sum.is_greedy = sum.is_greedy && one.is_greedy;
    }
    answers_ = answers_.subspan(count);
    return sum;
  }

 private:
  std::span<const Answer> answers_;
};

// As numpy.argmax() has it: the first of equals, and the first that is not a number.
std::size_t IndexOfLargest(const std::vector<double>& values) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return i;
    if (values[i] > values[best]) best = i;
  }
  return best;
}

double ValueOf(Metric metric, const Question& question, const std::vector<Answer>& answers) {
  if (metric == Metric::kPerplexity) return answers.front().loglikelihood;
  if (question.answers.empty()) return answers.front().is_greedy ? 1.0 : 0.0;
  std::vector<double> scores;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto length = static_cast<double>(CountCharacters(question.answers[i]));
    scores.push_back(metric == Metric::kNormalizedAccuracy ? answers[i].loglikelihood / length
                                                           : answers[i].loglikelihood);
  }
  return IndexOfLargest(scores) == question.right ? 1.0 : 0.0;
}

MetricValue Summarize(Metric metric, const std::vector<double>& values) {
  MetricValue summary{.name = std::string(Name(metric))};
  if (metric == Metric::kPerplexity) {
    summary.value = PerplexityOf(values);
    summary.error = PerplexityError(values);
    summary.higher_is_better = false;
    return summary;
  }
  summary.value = Mean(values);
  summary.error = MeanError(values);
  return summary;
}

TaskResult EvaluateTask(const PlannedTask& plan, Windows& windows) {
  TaskResult result{.plan = &plan, .documents = {}, .metrics = {}};
  const std::vector<Metric>& metrics = plan.task->metrics;
  std::vector<std::vector<double>> values(metrics.size());
  for (const PlannedDocument& document : plan.documents) {
    DocumentResult one;
    for (const std::size_t count : document.windows) one.answers.push_back(windows.Take(count));
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      one.values.push_back(ValueOf(metrics[i], document.question, one.answers));
      values[i].push_back(one.values.back());
    }
    result.documents.push_back(std::move(one));
  }
  for (std::size_t i = 0; i < metrics.size(); ++i)
    result.metrics.push_back(Summarize(metrics[i], values[i]));
  return result;
}

TextPerplexity EvaluateText(const PlannedText& plan, Windows& windows) {
  TextPerplexity result{.plan = &plan, .metrics = {}};
  result.loglikelihood = windows.Take(plan.windows).loglikelihood;
  const auto add = [&](const char* name, double value) {
    result.metrics.push_back({.name = name, .value = value, .higher_is_better = false});
  };
  const auto per = [&](std::int64_t units) {
    return -result.loglikelihood / static_cast<double>(units);
  };
  add("word_perplexity", std::exp(per(plan.words)));
  add("byte_perplexity", std::exp(per(plan.bytes)));
  add("bits_per_byte", per(plan.bytes) / std::numbers::ln2);
  add("token_perplexity", std::exp(per(plan.tokens)));
  return result;
}

}  // namespace

Answer ReadAnswer(std::string_view record) {
  const Json json = ParseJson(record, "score");
  if (const auto error = FindString(json, "error", "score")) throw BadInput("{}", *error);
  const auto sum = FindNumber(json, "sum_logprob", "score");
  const auto greedy = FindBool(json, "is_greedy", "score");
  LOCKSTEP_CHECK(greedy, "{}", record);
  // JSON has no word for what is impossible.
  return {.loglikelihood = sum.value_or(-std::numeric_limits<double>::infinity()),
          .is_greedy = *greedy};
}

EvaluationResult Evaluate(const EvaluationPlan& plan, std::span<const Answer> windows) {
  Windows answers(windows);
  EvaluationResult result;
  for (const PlannedTask& task : plan.tasks) result.tasks.push_back(EvaluateTask(task, answers));
  if (plan.text) result.text = EvaluateText(*plan.text, answers);
  return result;
}

}  // namespace lockstep
