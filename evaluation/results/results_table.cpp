#include "evaluation/results/results_table.h"

#include <fmt/format.h>

#include <cmath>

namespace lockstep {
namespace {

constexpr std::size_t kColumns = 80;

// The end of what is too long for a line: of a path that is what differs.
std::string Heading(std::string_view before, std::string_view name) {
  const std::size_t room = kColumns - before.size();
  if (name.size() <= room) return fmt::format("{}{}\n", before, name);
  return fmt::format("{}...{}\n", before, name.substr(name.size() - room + 3));
}

std::string Number(double value) {
  return std::abs(value) < 1e6 ? fmt::format("{:.4f}", value) : fmt::format("{:.5g}", value);
}

std::string Rows(std::string_view name, std::int64_t documents, std::int64_t shots,
                 const std::vector<MetricValue>& metrics) {
  std::string rows;
  for (const MetricValue& metric : metrics) {
    const bool first = &metric == &metrics.front();
    rows +=
        first ? fmt::format("{:<16}{:>10}{:>7}", name, documents, shots) : fmt::format("{:33}", "");
    rows += fmt::format("  {:<17}{:>14}", metric.name, Number(metric.value));
    rows += metric.error ? fmt::format("{:>13}\n", Number(*metric.error)) : "\n";
  }
  return rows;
}

}  // namespace

std::string ResultsTable(const EvaluationResult& result, std::string_view model) {
  std::string table = Heading("", model);
  if (result.text)
    table += Heading(fmt::format("{} tokens, {} words, {} bytes of ", result.text->plan->tokens,
                                 result.text->plan->words, result.text->plan->bytes),
                     result.text->plan->file);
  table += fmt::format("{:<16}{:>10}{:>7}  {:<17}{:>14}{:>13}\n", "task", "documents", "shots",
                       "metric", "value", "stderr");
  for (const TaskResult& task : result.tasks)
    table +=
        Rows(task.plan->task->name, std::ssize(task.documents), task.plan->shots, task.metrics);
  if (result.text) table += Rows("perplexity", 1, 0, result.text->metrics);
  return table;
}

}  // namespace lockstep
