#pragma once

#include <span>

namespace lockstep {

// Where a rank of the world lives: which rank is the lowest of its host, and how many are there.
struct HostPlace {
  int first_rank;
  int ranks;
};

// Whether the sums of the hosts, added over the hosts in the order of SumTree(), are the sums of
// all ranks in that order: there is one host, or each has as many ranks, a power of two, in the
// order of their ranks. The leading pairs of SumTree() are then those of leading pairs of hosts.
bool SumOrderIsHierarchical(std::span<const HostPlace> places);

}  // namespace lockstep
