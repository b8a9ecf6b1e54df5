#pragma once

#include <chrono>
#include <cstdint>

#include "engine/engine.h"
#include "layers/decoder.h"

namespace lockstep {

// Counts steps, their tokens and their time, and tells those who watch (core/timing/phases.h) where
// they begin and end. What is between an End() and a Begin() is no step's; a Begin() without an
// End() is forgotten.
class StepClock {
 public:
  void Begin(const Decoder& decoder);
  void End(const Decoder& decoder, std::int64_t tokens);

  const StepCounts& counts() const { return counts_; }

 private:
  std::chrono::steady_clock::time_point begun_;
  std::chrono::nanoseconds reduced_{};  // until then
  StepCounts counts_;
};

}  // namespace lockstep
