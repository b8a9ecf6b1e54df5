#pragma once

#include <cstddef>
#include <span>

#include "layers/kernels/device.h"

namespace lockstep {

// The way of activations between the host, where the stages of a pipeline pass them on, and the
// memory of a stage's device. Through the host because that is right everywhere: two devices may
// have no way to each other. Its memory grows to the largest step and is kept.
// Not thread-safe: the thread that owns the device.
class StageTransfer {
 public:
  // The device stays the caller's and outlives it.
  explicit StageTransfer(Device& device) : device_(device) {}

  // Fills x ([rows, d_model] fp32, of the device) with these values, and with zeros the rows behind
  // them: those only bring a step to a shape that the device knows. Does not wait.
  void Take(std::span<const std::byte> values, const TensorView& x);

  // These values of the device (fp32) as the host sees them: where they lie, if its memory is the
  // host's. Waits for the device. Valid until the next call, and until they change.
  std::span<const std::byte> Give(const TensorView& values);

 private:
  bool IsOnHost() const { return device_.stream().handle == nullptr; }

  Device& device_;
  Tensor zeros_;  // on the host
  Tensor given_;  // the same
};

}  // namespace lockstep
