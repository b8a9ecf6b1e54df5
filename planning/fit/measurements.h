#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "planning/time/phases.h"

namespace lockstep {

// One figure of `lockstep bench decode|prefill|batch --json`.
struct SpeedPoint {
  std::string name;  // "decode bf16, 2 x 1, 1 x (16, 32)"
  bool of_prompts = false;
  Layout layout;
  GroupLoad load;                  // new_tokens: those that were timed, none of prompts
  double tokens_per_second = 0.0;  // the median of the rounds
  double spread = 0.0;             // of the rounds: largest less smallest, by the median

  // Whether the rounds agree so far that a prediction can be held against them.
  bool is_steady() const { return spread <= 0.15; }

  double tokens() const {
    return static_cast<double>(load.texts * (of_prompts ? load.prompt_tokens : load.new_tokens));
  }
};

// One figure of `lockstep bench comm --json`.
struct ReducePoint {
  std::int64_t ranks = 1;
  double bytes = 0.0;
  double seconds = 0.0;
};

struct Measurements {
  std::vector<SpeedPoint> speeds;
  std::vector<ReducePoint> reduces;
};

struct ResultContext {
  std::string model = {};                 // of which results are wanted; empty: any
  std::int64_t max_step_tokens = 512;     // engine.max_step_tokens of the run
  std::optional<DType> cache_dtype = {};  // unset: TableDType() of the format
};

// Adds what a result has. `where` names it in messages. Throws BadInput for what is no result of
// these benchmarks.
void AddResult(const Json& result, std::string_view where, const ResultContext& context,
               Measurements& measurements);

}  // namespace lockstep
