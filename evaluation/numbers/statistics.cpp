#include "evaluation/numbers/statistics.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/heartbeat.h"
#include "core/threads/thread_pool.h"
#include "evaluation/numbers/python_random.h"

namespace lockstep {
namespace {

constexpr std::int64_t kChunk = 1000;  // samples of one random stream

double SampleDeviation(std::span<const double> values) {
  const double mean = Mean(values);
  double sum = 0.0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double SampledPerplexity(std::span<const double> values, PythonRandom& random) {
  double sum = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += values[random.Choice(values.size())];
  return std::exp(-(sum / static_cast<double>(values.size())));
}

int CoresHere() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return ::sched_getaffinity(0, sizeof(cores), &cores) == 0 ? std::max(1, CPU_COUNT(&cores)) : 1;
}

}  // namespace

double Mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::optional<double> MeanError(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  return SampleDeviation(values) / std::sqrt(static_cast<double>(values.size()));
}

double PerplexityOf(std::span<const double> loglikelihoods) {
  return std::exp(-Mean(loglikelihoods));
}

std::optional<double> PerplexityError(std::span<const double> loglikelihoods, std::int64_t rounds) {
  if (loglikelihoods.size() < 2) return std::nullopt;
  const std::int64_t chunk = std::min(kChunk, rounds);
  const std::int64_t chunks = rounds / chunk;
  std::vector<double> found(static_cast<std::size_t>(chunks * chunk));
  const auto draw = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      PythonRandom random(static_cast<std::uint32_t>(i));
      for (std::int64_t k = 0; k < chunk; ++k)
        found[static_cast<std::size_t>(i * chunk + k)] = SampledPerplexity(loglikelihoods, random);
    }
  };
  BeatDuring([&] { ThreadPool(CoresHere()).ParallelFor(chunks, draw); });
  return SampleDeviation(found);
}

}  // namespace lockstep
