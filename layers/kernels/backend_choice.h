#pragma once

#include <cstdint>

namespace lockstep {

// Of the backends that compute on the processor.
enum class BackendKind : std::uint8_t { kReference, kCpu };

// kAuto: steps may be recorded and replayed. kOff: their operations are called, always.
enum class StepGraphs : std::uint8_t { kAuto, kOff };

// Whether a device adds in one order, so that a token has the same bits in any batch, in any chunks
// of a prompt, and on 1, 2, 4 and 8 ranks. Processors always do. kAuto: as kOff, until the cost has
// been measured on a device.
enum class BatchInvariance : std::uint8_t { kAuto, kOn, kOff };

// How a module's device is to compute.
struct BackendSettings {
  StepGraphs graphs = StepGraphs::kAuto;
  BatchInvariance batch_invariant = BatchInvariance::kAuto;
};

}  // namespace lockstep
