#pragma once

#include <cstdint>

namespace lockstep {

// Of the backends that compute on the processor.
enum class BackendKind : std::uint8_t { kReference, kCpu };

// kAuto: steps may be recorded and replayed. kOff: their operations are called, always.
enum class StepGraphs : std::uint8_t { kAuto, kOff };

}  // namespace lockstep
