#pragma once

#include <functional>

#include "layers/kernels/step_inputs.h"

namespace lockstep {

// How a backend takes the operations of a step: its inputs are sent once for all layers, and steps
// that enqueue the same may be recorded and replayed.
class StepRunner {
 public:
  virtual ~StepRunner() = default;

  // Takes all memory that steps within these limits need, so that none of them allocates or frees.
  // After the model's weights are there. Returns the most rows that Begin() will ask for.
  virtual StepRows Reserve(const StepSizes& sizes) = 0;

  // Sends what a step works on to the device. Until the next call the spans stay as they are: an
  // operation that is given one of them uses what has been sent, and one that is given others sends
  // them by itself. Operations on rows are to be called with as many rows as it returns; spans stay
  // those of the inputs.
  virtual StepRows Begin(const StepInputs& inputs) = 0;

  // Runs the operations of the step that has begun: those of `caller`'s model, all on the device's
  // stream, none that waits. They may be recorded, and replayed for a later step of this caller
  // instead of being called, when they would enqueue the same: inputs come from Begin(), everything
  // else lies where it lay.
  virtual void Run(const void* caller, const std::function<void()>& operations) = 0;

  // Runs both, at the same time where the device gains by it. Neither reads or overwrites what the
  // other writes, and the second calls nothing but Ops::Linear().
  virtual void RunConcurrently(const std::function<void()>& first,
                               const std::function<void()>& linear) = 0;
};

}  // namespace lockstep
