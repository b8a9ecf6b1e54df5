#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// How far a batch job is.
struct ProgressState {
  std::int64_t done = 0;            // lines, those of earlier runs included
  std::int64_t total = 0;           // lines of the input
  std::int64_t resumed = 0;         // of the done ones, those of earlier runs
  std::int64_t tokens = 0;          // made by this run, or read where none are made
  double seconds = 0.0;             // of this run
  std::string_view unit = "lines";  // what the user calls them
  // Lines that each group of ranks has done in this run; empty where there is one group.
  std::vector<std::int64_t> groups = {};
};

// "412 of 2000 lines, 1250 tokens/s, 3 min left", and where there are several groups
// "412 of 2000 lines (2 groups: 208 + 204), 1250 tokens/s, 3 min left".
std::string ProgressText(const ProgressState& state);

}  // namespace lockstep
