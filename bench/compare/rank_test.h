#pragma once

#include <vector>

namespace lockstep {

// The two-sided Mann-Whitney U test: how likely ranks as far apart as these are where both samples
// come from the same distribution. Exact for small samples, ties included; else by the normal
// approximation with its correction for ties. 1 where a sample is empty.
double RankTest(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace lockstep
