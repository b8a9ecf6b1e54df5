#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/load/workload.h"

namespace lockstep {

// What a file of requests says: when each arrives, and what it is.
struct ReplayedLoad {
  std::vector<double> arrivals;  // seconds from the first one; ascending
  std::vector<LoadRequest> requests;
};

// Reads JSON lines, in any order of time: {"arrival_s": SECONDS or "timestamp": MILLISECONDS,
// "prompt": TEXT or "tokens": [ID, ...] or "prompt_tokens" or "input_length": N, "output_tokens" or
// "output_length": N}; other members are left alone. Prompts of which only the length is known are
// made up by `made`. Throws BadInput naming the line.
ReplayedLoad ReadReplay(const std::string& file, const Workload& made);

// The same of lines in memory; `where` names them in messages.
ReplayedLoad ParseReplay(std::string_view lines, std::string_view where, const Workload& made);

}  // namespace lockstep
