#pragma once

#include <vector>

#include "comm/communicator.h"
#include "engine/likeliest.h"
#include "engine/step_message.h"
#include "layers/decoder.h"

namespace lockstep {

// One row of logits over the whole vocabulary, as far as it was asked for.
struct RowResult {
  float max = 0.0f;
  std::int32_t argmax = 0;           // the lowest id of equals
  float target = 0.0f;               // logit of RowRequest::target
  double log_sum_exp = 0.0;          // natural log of the sum of exp(logit)
  std::vector<Candidate> likeliest;  // as Likeliest() gives them, where asked
  std::vector<float> logits;         // [vocab_limit] where whole_row was asked, else empty
};

// Runs the batch on this rank and gathers what was asked about its rows. Collective: every rank
// calls it with the same message. Rank 0 gets the results, the others an empty vector.
std::vector<RowResult> ExecuteStep(Decoder& decoder, Communicator& communicator,
                                   const StepMessage& message);

}  // namespace lockstep
