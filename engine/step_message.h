#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "layers/decoder.h"
#include "layers/rows/row_question.h"

namespace lockstep {

// One iteration, or more questions about it, the same on every rank: rank 0 writes it, everybody
// obeys. Workers keep no state of their own between steps but the pages of the cache.
struct StepMessage {
  // Of the batch, as the scheduler counts; without a batch, of the batch before: of what the
  // questions are about. A rank that has missed one, or is given one twice, says so.
  std::int64_t step = 0;
  bool shutdown = false;
  std::int64_t vocab_limit = 0;  // as in LogitSlice
  Batch batch = {};              // may be empty
  // About the logits of the batch, one for each of batch.logit_rows; without a batch, about those
  // of the batch before.
  std::vector<RowQuestion> questions = {};
  // Of Engine::Together(); then there is nothing else.
  std::string words = {};

  // A heartbeat, with nothing to do.
  bool is_empty() const { return batch.ids.empty() && questions.empty() && words.empty(); }
};

// One flat message. ParseStepMessage checks lengths and throws Error(kInternal) when they do not
// add up: both ends are this program.
std::vector<std::byte> Flatten(const StepMessage& message);
StepMessage ParseStepMessage(std::span<const std::byte> bytes);

}  // namespace lockstep
