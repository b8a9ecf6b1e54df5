#pragma once

#include <memory>
#include <string_view>

#include "layers/kernels/backend_choice.h"
#include "layers/kernels/device.h"
#include "layers/kernels/ops.h"
#include "layers/kernels/step_runner.h"

namespace lockstep {

// What the layers compute with: all that they know of it. The parts know each other: operations
// work in the device's memory and on its stream, a step's operations on inputs that the runner has
// sent. They stay where they are when the backend is moved, so that who borrows keeps the parts.
struct Backend {
  std::unique_ptr<Device> device;
  std::unique_ptr<Ops> ops;
  std::unique_ptr<StepRunner> steps;
};

// threads >= 1: how many the backend computes with (the reference uses one).
Backend MakeBackend(BackendKind kind, int threads);

// What its kernels are written for on this processor, which the last bits of results depend on:
// "avx512"; "plain loops" of the reference.
std::string_view InstructionSet(BackendKind kind);

// Whether it multiplies bf16 by instructions made for it, and so faster than fp32.
bool MultipliesBf16(BackendKind kind);

}  // namespace lockstep
