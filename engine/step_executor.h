#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/control_plane.h"
#include "engine/step_message.h"
#include "layers/decoder.h"

namespace lockstep {

// What one rank does with step messages. Collective: every rank makes the same calls with the same
// messages. Not thread-safe: the thread that owns the decoder and the control plane.
class StepExecutor {
 public:
  // Both stay the caller's and outlive it.
  StepExecutor(Decoder& decoder, ControlPlane& control) : decoder_(decoder), control_(control) {}

  // Starts the message's batch, if it has one; where the device lags behind, it is computed
  // afterwards. Throws Error(kInternal) when it is not the step that follows on the last one.
  void Launch(const StepMessage& message);

  // Waits for that batch, and answers the message's questions about its logits. Rank 0 gets the
  // answers, the others an empty vector.
  std::vector<RowAnswer> Collect(const StepMessage& message);

  // Both.
  std::vector<RowAnswer> Run(const StepMessage& message) {
    Launch(message);
    return Collect(message);
  }

 private:
  std::vector<std::byte> AnswerHere(const StepMessage& message, FirstQuestions first);
  std::vector<std::vector<std::byte>> Gather(std::span<const std::byte> mine);

  Decoder& decoder_;
  ControlPlane& control_;
  std::int64_t step_ = 0;  // the last that was launched
};

}  // namespace lockstep
