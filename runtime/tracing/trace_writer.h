#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tracing/clock_offset.h"
#include "runtime/tracing/phase_recorder.h"

namespace lockstep {

// What a trace is made of: one rank's recording, where it ran, and how its clock went.
struct RankTrace {
  std::string host;
  RankRecording recording;
  ClockDrift clock;
};

// How much of it there is.
struct TraceExtent {
  std::int64_t steps = 0;  // of rank 0
  double seconds = 0.0;
  double dropped_seconds = 0.0;  // at the beginning: there was no room for them on some rank
};

// Writes the ranks (in their order) as a trace in the JSON format of Chrome's trace viewer, which
// Perfetto reads as well (docs/guide/tracing.md says what is in it). All times are rank 0's; what
// some rank has dropped is left out of all. write: is given the text piece by piece.
TraceExtent WriteTrace(std::vector<RankTrace> ranks,
                       const std::function<void(std::string_view)>& write);

}  // namespace lockstep
