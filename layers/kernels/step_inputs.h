#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

// One sequence's part of a batch. Its new tokens are rows [first_row, first_row + token_count) of
// the batch; they stand at positions start, start + 1, ... of the sequence.
struct SequenceRows {
  std::int64_t first_row = 0;
  std::int64_t token_count = 0;
  std::int64_t start = 0;                // tokens that are in the cache already
  std::vector<std::int32_t> page_table;  // page of positions [i * page_tokens, (i+1) * page_tokens)
};

// What a step works on, in host memory.
struct StepInputs {
  std::span<const std::int32_t> ids;
  std::span<const SequenceRows> sequences;
  std::span<const std::int64_t> logit_rows;
  // Where operations are called with parts of the step: the sequences of each, their rows counted
  // from the part's own first one.
  std::span<const std::span<const SequenceRows>> parts = {};
};

// The most that a step has.
struct StepLimits {
  std::int64_t tokens = 0;
  std::int64_t logit_rows = 0;
  std::int64_t sequences = 0;
  std::int64_t positions = 0;  // of one sequence
};

// The same, and the sizes of the model that its operations depend on.
struct StepSizes {
  StepLimits limits;
  std::int64_t local_heads = 0;
  std::int64_t d_head = 0;
  std::int64_t beside_outputs = 0;  // of the weight of RunConcurrently()'s linear
  std::int64_t beside_inputs = 0;   // likewise
  std::int64_t vocab_ranges = 0;    // that Ops::Statistics() is asked about
};

// How many rows the operations of a step are called with: those of its inputs, or more. What is
// computed for rows that the inputs do not have means nothing and is kept nowhere.
struct StepRows {
  std::int64_t tokens = 0;
  std::int64_t logits = 0;
};

}  // namespace lockstep
