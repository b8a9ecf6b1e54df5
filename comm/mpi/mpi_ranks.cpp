#include "comm/mpi/mpi_ranks.h"

#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "core/error.h"

namespace lockstep {

int MpiRanks::Self() const {
  int number = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &number);
  const auto found = std::ranges::find(numbers, number);
  LOCKSTEP_CHECK(found != numbers.end(), "rank {} is not one of {}", number, size());
  return static_cast<int>(found - numbers.begin());
}

MpiRanks MpiRanks::Select(std::span<const int> indices, int other_lane) const {
  MpiRanks some{other_lane, {}, hosts.Select(indices)};
  for (const int index : indices)
    some.numbers.push_back(numbers.at(static_cast<std::size_t>(index)));
  return some;
}

MpiRanks AllMpiRanks() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const auto count = static_cast<std::size_t>(size);
  MpiRanks all{kWorldLane, std::vector<int>(count),
               HostMap(std::vector<RankHost>(count, RankHost{.name = "an unknown host"}))};
  std::iota(all.numbers.begin(), all.numbers.end(), 0);
  return all;
}

}  // namespace lockstep
