#pragma once

#include <cstdint>
#include <vector>

#include "engine/engine.h"
#include "partition/plan/step_cost.h"
#include "runtime/options/commands/bench_options.h"

namespace lockstep {

struct BenchCase {
  std::int64_t sequences = 1;
  std::int64_t prompt_tokens = 0;
  std::int64_t new_tokens = 0;  // 0: prompts are what is timed
};

// Of a model with room for so many tokens. Prompts whose lengths nobody has given have 512, or half
// of a shorter context.
std::vector<BenchCase> CasesOf(const BenchOptions& bench, std::int64_t context_tokens);

// Pages of the KV cache that a case needs at most, when a step takes max_step_tokens.
std::int64_t CachePagesOf(const BenchCase& one, std::int64_t max_step_tokens);

// Throws BadInput when a case does not fit the model's context.
void CheckCases(const std::vector<BenchCase>& cases, std::int64_t max_step_tokens,
                const ModelSpec& spec);

// One run of a case.
struct CaseSample {
  double seconds = 0.0;
  std::int64_t tokens = 0;  // that were timed
  std::int64_t steps = 0;
  // The engine's steps, sequence by sequence, in the order they were done: for CostOfStep().
  std::vector<std::vector<StepTokens>> work;
};

struct CaseRun {
  BenchCase what;
  std::int64_t vocab_rows = 0;
  std::int64_t max_step_tokens = 0;  // the engine's
  std::int64_t stages = 1;           // of its pipeline: a text has a token every so many steps
  SamplingParams sampling = {};      // how tokens are chosen
  std::uint64_t seed = 0;            // of the prompts; no two runs share one, so no cache can help
};

// Drives the engine through a case. The engine is idle before and after.
CaseSample RunCase(Engine& engine, const CaseRun& run);

// The same with both of its parts timed: the prompts, until every sequence has its first token, and
// its new tokens.
struct WholeSample {
  CaseSample prompts;
  CaseSample tokens;
};
WholeSample RunWholeCase(Engine& engine, const CaseRun& run);

}  // namespace lockstep
