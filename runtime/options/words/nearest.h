#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// The smallest number of inserted, removed, changed or swapped neighbouring characters that
// turns one name into the other.
std::size_t EditDistance(std::string_view a, std::string_view b);

// The candidate most like `name`; of equals the one that begins alike, then the first. A dotted
// name may also match by its last part alone ("temprature" finds "sampling.temperature"). Empty
// when there are no candidates.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

// The same where it can be meant: where a third of the characters of `name`, or a single one, are
// other ones at most. Else empty: a guess at something unlike it helps nobody.
std::string CloseName(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace lockstep
