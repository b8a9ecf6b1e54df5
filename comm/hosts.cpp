#include "comm/hosts.h"

#include <bit>
#include <cstddef>

namespace lockstep {

bool SumOrderIsHierarchical(std::span<const HostPlace> places) {
  if (places.empty()) return false;
  const int ranks = places[0].ranks;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    const auto [first, here] = places[rank];
    if (here != ranks || first != static_cast<int>(rank) / ranks * ranks) return false;
  }
  return ranks == static_cast<int>(places.size()) ||
         std::has_single_bit(static_cast<unsigned>(ranks));
}

}  // namespace lockstep
