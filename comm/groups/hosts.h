#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

// Where one rank runs.
struct RankHost {
  std::string name;            // as messages show it
  std::string machine = {};    // tells hosts apart that have the same name
  std::string processes = {};  // tells containers apart that cannot see each other's processes
};

// Where this process runs.
RankHost ThisHost();
// This machine's name, as messages show it.
std::string HostName();

// Where a rank of a group lives: which rank is the lowest of those it can share memory with, and
// how many they are.
struct HostPlace {
  int first_rank;
  int ranks;
};

// Which ranks of a group run on the same host: asked wherever ranks share cores, devices, memory or
// a transport. Immutable.
class HostMap {
 public:
  HostMap() = default;
  // In rank order.
  explicit HostMap(std::vector<RankHost> ranks) : ranks_(std::move(ranks)) {}

  int size() const { return static_cast<int>(ranks_.size()); }
  const std::string& name(int rank) const { return At(rank).name; }

  // Whether two ranks run on one host, and so share its cores, devices and memory.
  bool SameHost(int a, int b) const;
  // The ranks on the host of this one, itself included, in their order.
  std::vector<int> Neighbours(int rank) const;

  // Of each rank, for shared memory: ranks in containers of one host are together, but do not see
  // each other's processes.
  std::vector<HostPlace> Places() const;

  // The map of a part, in its order.
  HostMap Select(std::span<const int> ranks) const;

 private:
  const RankHost& At(int rank) const;

  std::vector<RankHost> ranks_;
};

// Whether the sums of the hosts, added over the hosts in the order of SumTree(), are the sums of
// all ranks in that order: there is one host, or each has as many ranks, a power of two, in the
// order of their ranks. The leading pairs of SumTree() are then those of leading pairs of hosts.
bool SumOrderIsHierarchical(std::span<const HostPlace> places);

}  // namespace lockstep
