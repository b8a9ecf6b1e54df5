#include "comm/groups/hosts.h"

#include <unistd.h>

#include <bit>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>
#include <tuple>

#include "core/error.h"

namespace lockstep {

std::string HostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0) return "unknown";
  return name;
}

RankHost ThisHost() {
  RankHost host{.name = HostName()};
  std::ifstream("/proc/sys/kernel/random/boot_id") >> host.machine;
  std::error_code ignored;
  host.processes = std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
  return host;
}

const RankHost& HostMap::At(int rank) const {
  LOCKSTEP_CHECK(rank >= 0 && rank < size(), "rank {} of {}", rank, size());
  return ranks_[static_cast<std::size_t>(rank)];
}

bool HostMap::SameHost(int a, int b) const {
  return At(a).name == At(b).name && At(a).machine == At(b).machine;
}

std::vector<int> HostMap::Neighbours(int rank) const {
  std::vector<int> neighbours;
  for (int peer = 0; peer < size(); ++peer)
    if (SameHost(rank, peer)) neighbours.push_back(peer);
  return neighbours;
}

std::vector<HostPlace> HostMap::Places() const {
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, HostPlace> found;
  std::vector<HostPlace*> of_ranks;
  for (int rank = 0; rank < size(); ++rank) {
    const RankHost& host = At(rank);
    HostPlace& place =
        found.try_emplace({host.name, host.machine, host.processes}, HostPlace{rank, 0})
            .first->second;
    ++place.ranks;
    of_ranks.push_back(&place);
  }
  std::vector<HostPlace> places;
  for (const HostPlace* place : of_ranks) places.push_back(*place);
  return places;
}

HostMap HostMap::Select(std::span<const int> ranks) const {
  std::vector<RankHost> some;
  for (const int rank : ranks) some.push_back(At(rank));
  return HostMap(std::move(some));
}

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
