#include "bench/scaling/step_log.h"

#include <cstring>

#include "core/error.h"

namespace lockstep {
namespace {

double Seconds(const PhaseNanoseconds& phases, Phase phase) {
  return 1e-9 * static_cast<double>(phases[static_cast<std::size_t>(phase)]);
}

}  // namespace

void StepLog::OnStep(const StepTimes& step) {
  // A step that goes on is told once more.
  if (!steps_.empty() && steps_.back().begin == step.begin && steps_.back().step == step.step)
    steps_.back() = step;
  else
    steps_.push_back(step);
}

std::vector<StepTimes> StepsFrom(std::span<const std::byte> bytes) {
  LOCKSTEP_CHECK(bytes.size() % sizeof(StepTimes) == 0, "{} bytes", bytes.size());
  std::vector<StepTimes> steps(bytes.size() / sizeof(StepTimes));
  if (!steps.empty()) std::memcpy(steps.data(), bytes.data(), bytes.size());
  return steps;
}

RankSplit SplitOf(std::span<const StepTimes> steps, std::int64_t first, std::int64_t count) {
  PhaseNanoseconds sums{};
  std::int64_t found = 0;
  for (const StepTimes& step : steps) {
    if (step.step < first || step.step >= first + count) continue;
    ++found;
    for (std::size_t i = 0; i < kPhaseCount; ++i) sums[i] += step.phases[i];
  }
  LOCKSTEP_CHECK(found == count, "{} of the steps {} to {}", found, first, first + count - 1);
  return {.products = {Seconds(sums, Phase::kProducts)},
          .attention = {Seconds(sums, Phase::kAttention)},
          .all_reduce = {Seconds(sums, Phase::kAllReduce)},
          .waiting = {Seconds(sums, Phase::kWaiting)},
          .other = {Seconds(sums, Phase::kOther) + Seconds(sums, Phase::kPlan) +
                    Seconds(sums, Phase::kBroadcast) + Seconds(sums, Phase::kGather) +
                    Seconds(sums, Phase::kTransfer) + Seconds(sums, Phase::kSampling)}};
}

}  // namespace lockstep
