#pragma once

#include <cstdint>
#include <span>

#include "partition/plan/shard_plan.h"

namespace lockstep {

// What a step cannot do without: the denominators of "how fast could it be".

// The new tokens of one sequence.
struct StepTokens {
  std::int64_t new_tokens = 0;
  std::int64_t start = 0;       // tokens that are in the cache already
  std::int64_t logit_rows = 0;  // of the new tokens, those whose logits are wanted
};

// Bytes per element, with the share of scales and the like where a format has them.
struct ElementBytes {
  double matrices = 4.0;  // norms and biases are fp32 always
  double cache = 4.0;
};

struct StepCost {
  double weight_bytes = 0.0;   // every weight once, however many tokens share it
  double cache_bytes = 0.0;    // keys and values, once per sequence; the new ones count as read
  double multiply_adds = 0.0;  // of linears and attention
  double attention_multiply_adds = 0.0;  // of these, in attention

  StepCost& operator+=(const StepCost& other);
};

// The cost of a step on the rank of these slices. Of the embedding a step reads a row per token:
// not counted, like what stays in the caches (activations) and arithmetic that is no product of
// matrices.
StepCost CostOfStep(const ModelSpec& spec, const RankSlices& slices, const ElementBytes& bytes,
                    std::span<const StepTokens> sequences);

// The same of all ranks together.
StepCost CostOfStep(const ShardPlan& plan, const ElementBytes& bytes,
                    std::span<const StepTokens> sequences);

}  // namespace lockstep
