#include "comm/mpi/mpi_ranks.h"

#include <mpi.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr int kNumberBits = 9;
constexpr int kCollectiveBits = 3;
static_assert(static_cast<int>(Collective::kPeerProbe) < 1 << kCollectiveBits);
static_assert(static_cast<int>(MpiLane::kLetters) < 1 << (15 - kCollectiveBits - kNumberBits));

}  // namespace

int MpiRanks::Self() const {
  int number = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &number);
  const auto found = std::ranges::find(numbers, number);
  LOCKSTEP_CHECK(found != numbers.end(), "rank {} is not one of {}", number, size());
  return static_cast<int>(found - numbers.begin());
}

MpiRanks MpiRanks::Select(std::span<const int> indices, MpiLane other_lane) const {
  MpiRanks some;
  some.lane = other_lane;
  for (const int index : indices) {
    const auto at = static_cast<std::size_t>(index);
    some.numbers.push_back(numbers.at(at));
    some.hosts.push_back(hosts.at(at));
    some.machines.push_back(machines.at(at));
  }
  return some;
}

MpiRanks AllMpiRanks() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MpiRanks all;
  all.numbers.resize(static_cast<std::size_t>(size));
  std::iota(all.numbers.begin(), all.numbers.end(), 0);
  all.hosts.resize(all.numbers.size(), "an unknown host");
  all.machines.resize(all.numbers.size());
  return all;
}

std::vector<HostPlace> PlacesOf(const MpiRanks& ranks, int ranks_per_host) {
  const auto together = [&](int a, int b) {
    if (ranks_per_host > 0) return a / ranks_per_host == b / ranks_per_host;
    return ranks.machines[static_cast<std::size_t>(a)] ==
           ranks.machines[static_cast<std::size_t>(b)];
  };
  std::vector<HostPlace> places;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    HostPlace place{rank, 0};
    for (int peer = 0; peer < ranks.size(); ++peer) {
      if (!together(rank, peer)) continue;
      place.first_rank = std::min(place.first_rank, peer);
      ++place.ranks;
    }
    places.push_back(place);
  }
  return places;
}

int TagOf(MpiLane lane, Collective collective, std::uint64_t number) {
  const auto low = static_cast<int>(number & ((1u << kNumberBits) - 1));
  const int high = static_cast<int>(lane) << kCollectiveBits | static_cast<int>(collective);
  return high << kNumberBits | low;
}

}  // namespace lockstep
