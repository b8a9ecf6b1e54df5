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
  double tokens_per_second = 0.0;   // of late; 0: as in all of this run
  std::int64_t in_work = 0;         // lines that are being computed
  std::string_view unit = "lines";  // what the user calls them
  // Lines that each group of ranks has done in this run; empty where there is one group.
  std::vector<std::int64_t> groups = {};
};

// "412 of 2000 lines, 64 in work, 1250 tokens/s, 3 min left", and where there are several groups
// "412 of 2000 lines (2 groups: 208 + 204), ...". What is left is taken to have as many tokens a
// line as what is done.
std::string ProgressText(const ProgressState& state);

// With what a job ends: "2000 of 2000 lines, 3 failed: 51200 tokens in 40.2 s, 1274 tokens/s", and
// ", 12 done before" behind the lines where an earlier run has done some. Groups are as above.
std::string TotalsText(const ProgressState& state, std::int64_t failed);

}  // namespace lockstep
