#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bench/load/load_runner.h"
#include "runtime/options/commands/load_options.h"

namespace lockstep {

// Of one kind of latency, over all complete requests (or, of inter-token latencies, over all pauses
// between two events). In seconds.
struct LatencySummary {
  double mean = 0.0;
  double median = 0.0;
  double deviation = 0.0;                              // standard, of the population
  std::vector<std::pair<double, double>> percentiles;  // 99 -> seconds
  std::vector<double> distribution;                    // percentiles 0, 1, ... 100; none of nothing
};

struct FailureCount {
  std::int64_t count = 0;
  std::string example;  // the first one's detail
};

// What one run says. All of it is defined as by `vllm bench serve`: rates are over the whole run,
// from its beginning to its last end; only complete requests count.
struct LoadSummary {
  std::int64_t completed = 0;
  std::int64_t failed = 0;
  std::int64_t cancelled = 0;
  std::map<std::string, FailureCount> failures;  // by kind
  double seconds = 0.0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t uncounted = 0;  // complete requests of which the server gave no usage
  std::int64_t good = 0;       // met every limit of the target
  double most_output_tokens_per_second = 0.0;  // events, in the best second
  std::int64_t most_concurrent = 0;
  std::int64_t in_flight_at_last = 0;  // complete ones under way when the last one was sent
  LatencySummary ttft;
  LatencySummary tpot;  // of requests with two tokens and more
  LatencySummary itl;
  LatencySummary e2el;
};

// A percentile between two values lies between them in proportion, as in NumPy. Of none it is 0.
// values: ascending.
double PercentileOf(const std::vector<double>& values, double percent);

// Whether a run at one rate has ended before a queue could grow, so that it cannot tell whether
// that rate can be kept up: a quarter of its requests were under way when the last one was sent.
bool IsTooShort(const LoadSummary& summary);

bool Meets(const RequestRecord& record, const LatencyTarget& target);

LoadSummary Summarize(const LoadRun& run, const LoadOptions& options);

}  // namespace lockstep
