#include "core/threads/affinity.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include <algorithm>
#include <cstddef>
#include <set>

#include "core/error.h"

namespace lockstep {
namespace {

bool Overlap(const std::vector<int>& a, const std::vector<int>& b) {
  return std::ranges::any_of(a, [&](int core) { return std::ranges::find(b, core) != b.end(); });
}

}  // namespace

std::vector<int> AllowedCores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof(mask), &mask) != 0) return cores;
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &mask)) cores.push_back(static_cast<int>(core));
  }
  return InMachineOrder(std::move(cores));
}

void BindThisThread(std::span<const int> cores) {
  if (cores.empty()) return;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  for (const int core : cores) {
    LOCKSTEP_CHECK(core >= 0 && core < CPU_SETSIZE, "core {}", core);
    CPU_SET(static_cast<std::size_t>(core), &mask);
  }
  if (::sched_setaffinity(0, sizeof(mask), &mask) != 0) {
    throw EnvironmentError("binding a thread to {} of this machine's cores: {}", cores.size(),
                           ::strerror(errno));
  }
}

void BindThisThread(int core) { BindThisThread(std::span(&core, 1)); }

std::vector<int> CoresOfRank(std::span<const std::vector<int>> allowed, int rank) {
  LOCKSTEP_CHECK(rank >= 0 && static_cast<std::size_t>(rank) < allowed.size(), "rank {} of {}",
                 rank, allowed.size());
  const auto self = static_cast<std::size_t>(rank);
  std::size_t sharers = 0;
  std::size_t before = 0;
  // Everybody's cases are looked at, so that all ranks come to the same answer.
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (allowed[i] != allowed[j] && Overlap(allowed[i], allowed[j])) return {};
    }
    const auto alike = std::ranges::count(allowed, allowed[i]);
    if (static_cast<std::size_t>(alike) > allowed[i].size()) return {};
    if (allowed[i] != allowed[self]) continue;
    ++sharers;
    if (i < self) ++before;
  }
  const std::vector<int>& cores = allowed[self];
  const auto at = [&](std::size_t share) {
    return cores.begin() + static_cast<std::ptrdiff_t>(cores.size() * share / sharers);
  };
  return {at(before), at(before + 1)};
}

int CountCores(std::span<const std::vector<int>> allowed) {
  std::set<int> all;
  for (const auto& cores : allowed) all.insert(cores.begin(), cores.end());
  return static_cast<int>(all.size());
}

}  // namespace lockstep
