#pragma once

#include <vector>

#include "comm/communicator.h"
#include "engine/step_message.h"
#include "layers/decoder.h"

namespace lockstep {

// What one rank does with step messages. Collective: every rank calls Run() with the same message.
// Not thread-safe: the thread that owns the decoder and the communicator.
class StepExecutor {
 public:
  // Both stay the caller's and outlive it.
  StepExecutor(Decoder& decoder, Communicator& communicator)
      : decoder_(decoder), communicator_(communicator) {}

  // Runs the message's batch, if it has one, and answers its questions about the logits of the last
  // batch. Rank 0 gets the answers, the others an empty vector.
  std::vector<RowAnswer> Run(const StepMessage& message);

 private:
  Decoder& decoder_;
  Communicator& communicator_;
};

}  // namespace lockstep
