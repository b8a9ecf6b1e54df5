#include "runtime/placement/uneven_hosts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <vector>

namespace lockstep {

std::string WhyMemoryIsNotShared(const HostMap& hosts) {
  const std::vector<HostPlace> places = hosts.Places();
  if (SumOrderIsHierarchical(places)) return "";
  std::vector<int> counts;  // of each host, in the order in which ranks name them
  for (int rank = 0; rank < hosts.size(); ++rank) {
    const HostPlace& place = places[static_cast<std::size_t>(rank)];
    if (place.first_rank == rank) counts.push_back(place.ranks);
  }
  const bool is_even = std::ranges::all_of(counts, [&](int count) { return count == counts[0]; }) &&
                       std::has_single_bit(static_cast<unsigned>(counts[0]));
  const std::string remedy = "srun --ntasks-per-node=N --distribution=block, mpirun --map-by slot";
  if (is_even)
    return fmt::format(
        "sums go through MPI: the ranks are not numbered host by host; where they are, those of a "
        "host share memory ({})",
        remedy);
  return fmt::format(
      "sums go through MPI: the hosts have {} of the ranks; where all have as many, "
      "a power of two, those of a host share memory ({})",
      fmt::join(counts, " and "), remedy);
}

}  // namespace lockstep
