#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/control_plane.h"
#include "layers/decoder.h"

namespace lockstep {

// The way of activations from stage to stage of a pipeline. A rank gives what its stage has
// computed to the rank of the same number in the next stage, which computes on it in the next step:
// all ranks of a stage have the same. Hidden states that are to reach rank 0 go the same way.
// Not thread-safe: the thread that owns the decoder and the control plane.
class StageTraffic {
 public:
  // Both stay the caller's and outlive it. The control plane is that of all stages.
  StageTraffic(Decoder& decoder, ControlPlane& control)
      : decoder_(decoder), control_(control), ranks_(control.size() / decoder.stage_count()) {}

  // A step begins: what was received in the one before is what this one computes on.
  void BeginStep();
  // That: the output of the stage before for the batch that began in `step`, of so many tokens.
  // Empty in the first stage.
  std::span<const std::byte> Input(std::int64_t step, std::int64_t tokens) const;

  // After this rank's part of a step, in which each stage has computed the batch that began in
  // stages[stage], or nothing (0): sends what this one has, of `tokens` tokens, and receives what
  // the one before has. Stages of even numbers send first, so that nobody waits for somebody who
  // waits for it.
  void Exchange(std::span<const std::int64_t> stages, std::int64_t tokens);

  // Of the batch that this stage has computed, where it or an earlier one has kept hidden states,
  // on its first rank: [tokens, d_model].
  std::span<const float> Hidden(std::int64_t tokens) const;

 private:
  struct Received {
    std::int64_t step = 0;      // in which the batch began
    ControlPlane::Bytes bytes;  // activations, and hidden states behind them
  };

  std::size_t BytesOf(std::int64_t tokens) const;
  void Send(std::int64_t tokens);
  void Receive(std::int64_t step);

  Decoder& decoder_;
  ControlPlane& control_;
  int ranks_;         // of a stage
  Received current_;  // of this step
  Received next_;
  ControlPlane::Bytes both_;  // to be sent, where there are hidden states
};

}  // namespace lockstep
