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
// obeys. Workers keep no state of their own between steps but the pages of the cache, and of a
// pipeline the batches that are on their way through it.
struct StepMessage {
  // 1, 2, ...; of further questions that of the step which they are about. A rank that has missed
  // one, or is given one twice, says so.
  std::int64_t step = 0;
  bool shutdown = false;
  std::int64_t vocab_limit = 0;  // as in LogitSlice
  // What the first stage computes, in this step; may be empty. The other stages do in the steps
  // that follow.
  Batch batch = {};
  // What each stage of the pipeline computes in this step: the step in which that batch began, 0
  // for nothing. Empty: there is nothing to compute.
  std::vector<std::int64_t> stages = {};
  // About the logits of the batch, one for each of batch.logit_rows; without `stages`, about those
  // that the last stage has.
  std::vector<RowQuestion> questions = {};
  // Of Engine::Together(); then there is nothing else.
  std::string words = {};

  // A heartbeat, with nothing to do.
  bool is_empty() const { return stages.empty() && questions.empty() && words.empty(); }
};

// One flat message. ParseStepMessage checks lengths and throws Error(kInternal) when they do not
// add up: both ends are this program.
std::vector<std::byte> Flatten(const StepMessage& message);
StepMessage ParseStepMessage(std::span<const std::byte> bytes);

}  // namespace lockstep
