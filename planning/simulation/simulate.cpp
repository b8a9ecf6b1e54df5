#include "planning/simulation/simulate.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "core/error.h"
#include "layers/kv_cache.h"
#include "planning/simulation/copy_simulation.h"

namespace lockstep {
namespace {

// Uniform in (0, 1], the same on every machine: SplitMix64.
double NextUniform(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15u;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return (static_cast<double>(z >> 11) + 1.0) * 0x1p-53;
}

// When requests come to each copy.
std::vector<std::vector<double>> ArrivalTimes(const Arrivals& arrivals, std::int64_t copies) {
  std::vector<std::vector<double>> times(static_cast<std::size_t>(copies));
  std::uint64_t state = arrivals.seed;
  double now = 0.0;
  for (std::int64_t i = 0; i < arrivals.requests; ++i) {
    times[static_cast<std::size_t>(i % copies)].push_back(now);
    now -= std::log(NextUniform(state)) / arrivals.per_second;
  }
  return times;
}

void Add(const Simulation& one, Simulation& all) {
  all.latencies.insert(all.latencies.end(), one.latencies.begin(), one.latencies.end());
  all.seconds = std::max(all.seconds, one.seconds);
  all.busy_seconds += one.busy_seconds;
  all.steps += one.steps;
  all.sequences_in_steps += one.sequences_in_steps;
  all.preemptions += one.preemptions;
}

}  // namespace

Simulation Simulate(const PlanQuestion& question, const Layout& layout, const Arrivals& arrivals) {
  PlanQuestion one_text = question;
  one_text.workload.texts = 1;
  const Prediction prediction = Predict(one_text, layout);
  if (!prediction.memory.fits)
    throw BadInput(
        "plan: the model and the cache of one text do not fit into {:.1f} GiB of each rank; use "
        "more ranks or a smaller --dtype",
        prediction.memory.available / (1024.0 * 1024.0 * 1024.0));
  const CopyShape shape{.model = StepModel(question.spec, layout),
                        .rates = RatesOf(question.machine, layout),
                        .workload = question.workload,
                        .max_sequences = question.limits.max_sequences,
                        .max_step_tokens = question.step_tokens(),
                        .cache_pages = prediction.memory.room_tokens / KvCache::kPageTokens};
  const auto times = ArrivalTimes(arrivals, layout.dp);
  std::vector<Simulation> parts(times.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t copy = next++; copy < times.size(); copy = next++)
      parts[copy] = SimulateCopy(shape, times[copy]);
  };
  {
    std::vector<std::jthread> helpers;
    const std::size_t threads =
        std::min<std::size_t>(times.size(), std::max(1u, std::thread::hardware_concurrency()));
    for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
  }
  Simulation all;
  for (const Simulation& part : parts) Add(part, all);
  return all;
}

double Percentile(std::vector<float> values, double percent) {
  if (values.empty()) return 0.0;
  const double place = std::ceil(0.01 * percent * static_cast<double>(values.size())) - 1.0;
  const auto index =
      static_cast<std::ptrdiff_t>(std::clamp(place, 0.0, static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + index, values.end());
  return static_cast<double>(values[static_cast<std::size_t>(index)]);
}

}  // namespace lockstep
