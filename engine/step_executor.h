#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/control_plane.h"
#include "engine/engine_ranks.h"
#include "engine/stage_traffic.h"
#include "engine/step_message.h"
#include "layers/decoder.h"

namespace lockstep {

// What one rank does with step messages. Collective: every rank makes the same calls with the same
// messages. Not thread-safe: the thread that owns the decoder and the control plane.
class StepExecutor {
 public:
  // All stay the caller's and outlive it. It is the decoder that knows which stage is this rank's.
  StepExecutor(Decoder& decoder, const EngineRanks& ranks);

  // Starts what this rank's stage has to compute in the step, if anything; where the device lags
  // behind, it is computed afterwards. In a pipeline, returns when the next stage has the result.
  // Throws Error(kInternal) when it is not the step that follows on the last one.
  void Launch(const StepMessage& message);

  // Waits for the batch that the last stage computes in this step, and answers the questions about
  // its logits; of a message that has only questions, those. Rank 0 gets the answers, the others an
  // empty vector, and so does everybody where that stage computes nothing.
  std::vector<RowAnswer> Collect(const StepMessage& message);

  // Both.
  std::vector<RowAnswer> Run(const StepMessage& message) {
    Launch(message);
    return Collect(message);
  }

  // What the batch that Collect() has just answered for was asked to keep (Batch::hidden_layer): on
  // rank 0, [tokens, d_model], valid until the next step.
  std::span<const float> hidden() const { return hidden_; }

 private:
  bool has_stages() const { return decoder_.stage_count() > 1; }
  void KeepOnWay(const StepMessage& message);
  const StepMessage* Find(std::int64_t step, const StepMessage& message) const;
  std::vector<std::byte> AnswerHere(const StepMessage& message, FirstQuestions first);
  std::vector<std::vector<std::byte>> TakeHidden(std::span<const std::vector<std::byte>> answers);
  std::vector<std::vector<std::byte>> Gather(std::span<const std::byte> mine);

  Decoder& decoder_;
  ControlPlane& control_;
  StageTraffic traffic_;
  std::int64_t step_ = 0;            // the last that was launched
  std::vector<StepMessage> on_way_;  // of a pipeline: those whose batches are in it
  std::vector<float> received_;      // hidden states, on rank 0 of a pipeline
  std::span<const float> hidden_;
};

}  // namespace lockstep
