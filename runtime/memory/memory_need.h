#pragma once

#include <cstdint>
#include <filesystem>

#include "core/numbers/weight_format.h"
#include "layers/kernels/step_inputs.h"
#include "partition/plan/shard_plan.h"

namespace lockstep {

// Bytes that a rank takes, as far as they follow from the model and the configuration.
struct MemoryNeed {
  double weights = 0.0;
  double cache = 0.0;        // keys and values
  double activations = 0.0;  // of the largest step
  double staging = 0.0;      // on the host, while weights are brought into their form

  double total() const { return weights + cache + activations + staging; }
  MemoryNeed& operator+=(const MemoryNeed& other);
};

// What ranks of a model are to hold.
struct RankLoad {
  const ShardPlan& plan;
  WeightFormat format = WeightFormat::kF32;
  DType cache_dtype = DType::kF32;
  DType activations = DType::kF32;
  std::int64_t cache_pages = 0;
  StepLimits step = {};
};

MemoryNeed NeedOf(const RankLoad& load, int rank);

// The most that steps have under these limits of the engine, of a model with this context.
struct EngineShape {
  std::int64_t max_sequences = 1;
  std::int64_t max_step_tokens = 1;
  std::int64_t context_tokens = 1;
  std::int64_t vocab_rows = 1;
};
StepLimits StepLimitsOf(const EngineShape& engine);

// How much address space a checkpoint takes while it is read.
double MappedBytes(const std::filesystem::path& folder);

}  // namespace lockstep
