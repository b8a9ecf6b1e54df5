#include "comm/groups/split.h"

#include <algorithm>
#include <cstddef>

#include "core/error.h"

namespace lockstep {

void CheckColor(const SplitChoice& mine) {
  LOCKSTEP_CHECK(mine.color >= 0, "a part of color {}", mine.color);
}

std::vector<int> PartOf(int rank, std::span<const SplitChoice> choices) {
  const auto at = [&](int one) -> const SplitChoice& {
    return choices[static_cast<std::size_t>(one)];
  };
  std::vector<int> part;
  for (int peer = 0; peer < static_cast<int>(choices.size()); ++peer)
    if (at(peer).color == at(rank).color) part.push_back(peer);
  std::ranges::stable_sort(part, {}, [&](int one) { return at(one).key; });
  return part;
}

}  // namespace lockstep
