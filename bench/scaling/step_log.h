#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bench/scaling/scaling_result.h"
#include "core/timing/phases.h"

namespace lockstep {

// Keeps the steps of the thread that it watches.
class StepLog final : public PhaseObserver {
 public:
  void OnStep(const StepTimes& step) override;

  void Clear() { steps_.clear(); }
  const std::vector<StepTimes>& steps() const { return steps_; }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(steps_)); }

 private:
  std::vector<StepTimes> steps_;
};

// The steps of one rank, from the bytes of its log.
std::vector<StepTimes> StepsFrom(std::span<const std::byte> bytes);

// What the steps from `first` on, `count` of them, were spent on: one round of a rank's split.
// Throws Error(kInternal) where one is missing.
RankSplit SplitOf(std::span<const StepTimes> steps, std::int64_t first, std::int64_t count);

}  // namespace lockstep
