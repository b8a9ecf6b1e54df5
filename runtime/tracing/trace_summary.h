#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/timing/phases.h"

namespace lockstep {

// What a rank's steps were spent on. Each moment counts for the innermost phase, as in the splits
// of bench scaling.
struct RankTimes {
  std::string name;  // "rank 0 on node7"
  std::int64_t steps = 0;
  std::int64_t tokens = 0;
  double step_seconds = 0.0;
  std::array<double, kPhaseCount> seconds{};  // by Phase; add up to step_seconds
};

struct TraceSummary {
  std::vector<RankTimes> ranks;
  Json about;  // what the trace says of itself
  // Of each request: how long it was queued, its prompt was read, it was decoded; seconds.
  std::vector<double> queued, prompt, decoding;
  std::int64_t requests = 0;
};

// Of a file that --trace has written. Throws BadInput where it is something else.
TraceSummary ReadTrace(const std::string& file);
// Of its text; `file` is its name in messages.
TraceSummary SummaryOfTrace(std::string_view text, std::string_view file);

std::string TraceSummaryText(const TraceSummary& summary, std::string_view file);
std::string TraceSummaryJson(const TraceSummary& summary);

}  // namespace lockstep
