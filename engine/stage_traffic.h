#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/control_plane.h"
#include "engine/engine_ranks.h"
#include "layers/decoder.h"

namespace lockstep {

// Whether a stage of a pipeline, not the first one, is given a slice of the activations by each
// rank of the stage before, and puts them together itself, so that they come through the network
// once: where its ranks are on one host, and those of the stage before on others. Else each rank is
// given all. Stages have so many ranks each, one behind the other.
bool IsGivenSlices(const HostMap& hosts, int ranks_of_stage, int stage);

// The way of activations from stage to stage of a pipeline. A rank gives what its stage has
// computed, or its slice of it, to the rank of the same number in the next stage, which computes on
// it in the next step: all ranks of a stage have the same. Hidden states that are to reach rank 0
// go the same way, through the first ranks of the stages.
// Not thread-safe: the thread that owns the decoder and the control planes.
class StageTraffic {
 public:
  // All stay the caller's and outlive it.
  StageTraffic(Decoder& decoder, const EngineRanks& ranks);

  // A step begins: what was received in the one before is what this one computes on.
  void BeginStep();
  // That: the output of the stage before for the batch that began in `step`, of so many tokens.
  // Empty in the first stage.
  std::span<const std::byte> Input(std::int64_t step, std::int64_t tokens) const;

  // This stage has computed its batch of so many tokens: waits for what it gives to the next one.
  void TakeOutput(std::int64_t tokens);

  // After this rank's part of a step, in which each stage has computed the batch that began in
  // stages[stage], or nothing (0): sends what this one has, and receives what the one before has.
  // Stages of even numbers send first, so that nobody waits for somebody who waits for it.
  struct Tokens {
    std::int64_t given = 0;  // of this stage's batch
    std::int64_t taken = 0;  // of that of the stage before
  };
  void Exchange(std::span<const std::int64_t> stages, const Tokens& tokens);

  // Of the batch that this stage has computed, where it or an earlier one has kept hidden states,
  // on its first rank: [tokens, d_model].
  std::span<const float> Hidden(std::int64_t tokens) const;

 private:
  struct Received {
    std::int64_t step = 0;      // in which the batch began
    ControlPlane::Bytes bytes;  // activations, and hidden states behind them
  };

  std::int64_t ValuesOf(std::int64_t tokens) const;
  std::size_t BytesOf(std::int64_t tokens) const;
  Range OwnSlice(std::int64_t tokens) const;
  void Send(std::int64_t tokens);
  void Receive(std::int64_t step, std::int64_t tokens);
  void GatherSlices(std::int64_t tokens);

  Decoder& decoder_;
  ControlPlane& control_;
  ControlPlane* stage_;  // of this stage's ranks; null: whole activations are sent
  int ranks_;            // of a stage
  bool gives_slices_ = false;
  bool is_given_slices_ = false;
  std::span<const std::byte> output_;  // of this step: what is sent
  Received current_;                   // the same: what has been received
  Received next_;
  ControlPlane::Bytes both_;   // to be sent, where there are hidden states
  ControlPlane::Bytes whole_;  // put together of slices
};

}  // namespace lockstep
