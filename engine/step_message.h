#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "layers/decoder.h"

namespace lockstep {

// What rank 0 wants to know of one row of logits.
struct RowRequest {
  std::int32_t target = -1;    // the token whose logit is asked, -1: none
  std::int64_t likeliest = 0;  // that many of the likeliest tokens, and their ties
  bool whole_row = false;      // all logits, for sampling
};

// One iteration, the same on every rank: rank 0 writes it, everybody obeys. Workers keep no
// state of their own between steps but the pages of the cache.
struct StepMessage {
  bool shutdown = false;
  // Ids from here on are padding of the vocabulary: they are never among the likeliest and not in
  // a whole row. In the statistics they count, as they do in transformers.
  std::int64_t vocab_limit = 0;
  Batch batch;
  std::vector<RowRequest> rows;  // one for each of batch.logit_rows
};

// One flat message. ParseStepMessage checks lengths and throws Error(kInternal) when they do not
// add up: the sender is our own.
std::vector<std::byte> Flatten(const StepMessage& message);
StepMessage ParseStepMessage(std::span<const std::byte> bytes);

}  // namespace lockstep
