#include "engine/step_clock.h"

#include <algorithm>

#include "core/timing/phases.h"

namespace lockstep {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

void StepCounts::Add(const StepCounts& other) {
  for (std::size_t i = 0; i < by_tokens.size(); ++i) by_tokens[i] += other.by_tokens[i];
  tokens += other.tokens;
  nanoseconds += other.nanoseconds;
  all_reduce_nanoseconds += other.all_reduce_nanoseconds;
}

void EngineStatus::Add(const EngineStatus& other) {
  waiting += other.waiting;
  running += other.running;
  pages += other.pages;
  pages_used += other.pages_used;
  counts.preemptions += other.counts.preemptions;
  counts.prefix_queries += other.counts.prefix_queries;
  counts.prefix_hits += other.counts.prefix_hits;
  steps.Add(other.steps);
}

void StepClock::Begin(const Decoder& decoder) {
  BeginStep();
  begun_ = steady_clock::now();
  reduced_ = decoder.all_reduce_time();
}

void StepClock::End(const Decoder& decoder, std::int64_t tokens) {
  const auto& bounds = StepCounts::kTokenBounds;
  const auto bound = std::ranges::lower_bound(bounds, tokens);
  // Of a pipeline, a step may begin nothing.
  if (tokens > 0) ++counts_.by_tokens[static_cast<std::size_t>(bound - bounds.begin())];
  counts_.tokens += tokens;
  counts_.nanoseconds +=
      std::chrono::duration_cast<nanoseconds>(steady_clock::now() - begun_).count();
  counts_.all_reduce_nanoseconds += (decoder.all_reduce_time() - reduced_).count();
  EndStep(NextStep::kLater);
}

}  // namespace lockstep
