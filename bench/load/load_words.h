#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/options/commands/load_options.h"

namespace lockstep {

// The small languages of the flags of `bench serve`. All throw BadInput naming the flag, what was
// found and what was expected.

// "128", "uniform:64-256", "lognormal:128,0.6" (median, sigma) or "lognormal:128,0.6,1024" (and
// the greatest).
LengthDistribution ParseLengths(std::string_view text, std::string_view flag);

// "ttft:500ms,tpot:50ms,e2el:10s"; a number alone is milliseconds.
LatencyTarget ParseTarget(std::string_view text);

// "50,90,99.9"
std::vector<double> ParsePercentiles(std::string_view text);

// "300-500"
std::pair<std::int32_t, std::int32_t> ParseIds(std::string_view text);

// The words again, for reports.
std::string Shown(const LengthDistribution& lengths);
std::string Shown(const LatencyTarget& target);

}  // namespace lockstep
