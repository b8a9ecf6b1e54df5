#include "bench/load/load_metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lockstep {
namespace {

LatencySummary LatencyOf(std::vector<double> values, const std::vector<double>& percentiles) {
  LatencySummary summary;
  std::sort(values.begin(), values.end());
  const auto count = static_cast<double>(std::max<std::size_t>(values.size(), 1));
  summary.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0.0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.deviation = std::sqrt(squares / count);
  summary.median = PercentileOf(values, 50.0);
  for (const double percent : percentiles)
    summary.percentiles.emplace_back(percent, PercentileOf(values, percent));
  for (int percent = 0; percent <= 100 && !values.empty(); ++percent)
    summary.distribution.push_back(PercentileOf(values, percent));
  return summary;
}

// The most requests that were under way at the same time; one that ends when another begins is
// over.
std::int64_t MostConcurrent(const std::vector<const RequestRecord*>& complete) {
  std::vector<std::pair<double, int>> changes;
  for (const RequestRecord* record : complete) {
    changes.emplace_back(record->start, 1);
    changes.emplace_back(record->start + record->latency, -1);
  }
  std::sort(changes.begin(), changes.end());
  std::int64_t now = 0;
  std::int64_t most = 0;
  for (const auto& [time, change] : changes) most = std::max(most, now += change);
  return most;
}

// Requests that were under way when the last one was sent, itself not among them.
std::int64_t InFlightAtLast(const std::vector<const RequestRecord*>& complete) {
  if (complete.empty()) return 0;
  const auto begins_earlier = [](const RequestRecord* a, const RequestRecord* b) {
    return a->start < b->start;
  };
  const RequestRecord* last = *std::ranges::max_element(complete, begins_earlier);
  return std::ranges::count_if(complete, [&](const RequestRecord* one) {
    return one != last && one->start + one->latency > last->start;
  });
}

// Events in the fullest of the seconds since the first request.
double MostPerSecond(const std::vector<const RequestRecord*>& complete) {
  if (complete.empty()) return 0.0;
  double first = complete.front()->start;
  for (const RequestRecord* record : complete) first = std::min(first, record->start);
  std::map<std::int64_t, std::int64_t> seconds;
  for (const RequestRecord* record : complete) {
    double time = record->start + record->ttft - first;
    ++seconds[static_cast<std::int64_t>(time)];
    for (const float pause : record->itl) ++seconds[static_cast<std::int64_t>(time += pause)];
  }
  std::int64_t most = 0;
  for (const auto& [second, events] : seconds) most = std::max(most, events);
  return static_cast<double>(most);
}

void CountFailure(const RequestFailure& failure, LoadSummary& summary) {
  ++summary.failed;
  FailureCount& kind = summary.failures[failure.kind];
  if (kind.count++ == 0) kind.example = failure.detail;
}

struct Latencies {
  std::vector<double> ttft, tpot, itl, e2el;
};

void Count(const RequestRecord& record, const LoadOptions& options, LoadSummary& summary,
           Latencies& latencies) {
  ++summary.completed;
  summary.input_tokens += record.prompt_tokens;
  summary.output_tokens += record.tokens();
  if (!record.output_tokens) ++summary.uncounted;
  if (Meets(record, options.target)) ++summary.good;
  latencies.ttft.push_back(record.ttft);
  latencies.e2el.push_back(record.latency);
  if (record.tokens() > 1) latencies.tpot.push_back(record.tpot());
  latencies.itl.insert(latencies.itl.end(), record.itl.begin(), record.itl.end());
}

}  // namespace

double PercentileOf(const std::vector<double>& values, double percent) {
  if (values.empty()) return 0.0;
  const double place = percent / 100.0 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

bool IsTooShort(const LoadSummary& summary) {
  return 4 * summary.in_flight_at_last >= summary.completed - 1;
}

bool Meets(const RequestRecord& record, const LatencyTarget& target) {
  const auto within = [](double seconds, const std::optional<double>& limit) {
    return !limit || seconds <= *limit;
  };
  return record.is_complete() && within(record.ttft, target.ttft) &&
         within(record.tpot(), target.tpot) && within(record.latency, target.e2el);
}

LoadSummary Summarize(const LoadRun& run, const LoadOptions& options) {
  LoadSummary summary;
  summary.seconds = run.seconds;
  Latencies latencies;
  std::vector<const RequestRecord*> complete;
  for (const RequestRecord& record : run.records) {
    if (record.failure) CountFailure(*record.failure, summary);
    if (record.is_cancelled) ++summary.cancelled;
    if (!record.is_complete()) continue;
    Count(record, options, summary, latencies);
    complete.push_back(&record);
  }
  summary.most_concurrent = MostConcurrent(complete);
  summary.in_flight_at_last = InFlightAtLast(complete);
  summary.most_output_tokens_per_second = MostPerSecond(complete);
  summary.ttft = LatencyOf(std::move(latencies.ttft), options.percentiles);
  summary.tpot = LatencyOf(std::move(latencies.tpot), options.percentiles);
  summary.itl = LatencyOf(std::move(latencies.itl), options.percentiles);
  summary.e2el = LatencyOf(std::move(latencies.e2el), options.percentiles);
  return summary;
}

}  // namespace lockstep
