#pragma once

#include <cstdint>
#include <string>

#include "planning/time/phases.h"
#include "runtime/memory/memory_need.h"
#include "runtime/options/options.h"

namespace lockstep {

// What is asked of all copies of the model together.
struct TextLoad {
  std::int64_t texts = 1;  // in flight
  std::int64_t prompt_tokens = 128;
  std::int64_t new_tokens = 128;

  std::int64_t tokens_of_text() const { return prompt_tokens + new_tokens; }
};

// The memory of the rank that has most to hold.
struct MemoryForecast {
  MemoryNeed need;               // with the cache of the workload's texts
  double available = 0.0;        // bytes
  std::int64_t room_tokens = 0;  // that the cache of one copy of the model can have
  std::int64_t room_texts = 0;   // of the workload's, in all copies
  bool fits = false;
};

// Times of one copy of the model; all copies work at the same time.
struct TimeForecast {
  StepTime prompt;   // one prompt alone
  StepTime prompts;  // all of a copy
  StepTime decode;   // all steps after the prompts
  double decode_steps = 0.0;

  StepTime step() const { return decode * (1.0 / (decode_steps > 0.0 ? decode_steps : 1.0)); }
  double seconds() const { return prompts.total() + decode.total(); }
};

struct Prediction {
  Layout layout;
  TextLoad workload;
  std::int64_t texts_per_copy = 1;
  RankShare share;
  MemoryForecast memory;
  TimeForecast time;
  TimeForecast best;  // of the same hardware without losses

  // As new texts take the places of those that end: a text's tokens by the time that the copy takes
  // for all of them, prompts included.
  double tokens_per_second_of_text() const {
    return static_cast<double>(workload.new_tokens) / time.seconds();
  }
  // Of all texts that are in flight.
  double tokens_per_second() const {
    return static_cast<double>(workload.texts) * tokens_per_second_of_text();
  }
};

struct PlanQuestion {
  const ModelSpec& spec;
  const Machine& machine;
  TextLoad workload;
  EngineLimits limits;

  std::int64_t step_tokens() const { return limits.step_tokens(machine.kind == MachineKind::kGpu); }
};

// A pure function. Throws BadInput where the workload is longer than the model's context, or the
// layout does not belong on this machine; that the memory is too small is an answer.
Prediction Predict(const PlanQuestion& question, const Layout& layout);

// The cache that `layout` has where nobody has said: TableDType() of its format.
Layout WithUsualCache(Layout layout);

}  // namespace lockstep
