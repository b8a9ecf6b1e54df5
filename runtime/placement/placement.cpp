#include "runtime/placement/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/threads/affinity.h"
#include "core/threads/crowd_watch.h"
#include "runtime/placement/thread_share.h"

namespace lockstep {
namespace {

// A rank's message: its threads, then the cores it may run on.
ControlPlane::Bytes Pack(int threads, std::span<const int> cores) {
  ControlPlane::Bytes bytes(sizeof(int) * (cores.size() + 1));
  std::memcpy(bytes.data(), &threads, sizeof(int));
  if (!cores.empty()) std::memcpy(bytes.data() + sizeof(int), cores.data(), cores.size_bytes());
  return bytes;
}

// The ranks of this one's host.
struct HostRanks {
  std::vector<std::vector<int>> allowed;
  std::vector<int> threads;
  int self = 0;
};

HostRanks GatherHost(ControlPlane& comm, int threads) {
  const auto all = comm.AllGather(Pack(threads, AllowedCores()));
  HostRanks host;
  for (const int rank : comm.hosts().Neighbours(comm.rank())) {
    if (rank == comm.rank()) host.self = static_cast<int>(host.threads.size());
    const auto& bytes = all[static_cast<std::size_t>(rank)];
    std::vector<int> numbers(bytes.size() / sizeof(int));
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(int));
    host.threads.push_back(numbers.at(0));
    host.allowed.emplace_back(numbers.begin() + 1, numbers.end());
  }
  return host;
}

// Whether every rank of the host has a core for each of its threads.
bool Fits(const HostRanks& host) {
  for (std::size_t i = 0; i < host.threads.size(); ++i) {
    const auto cores = CoresOfRank(host.allowed, static_cast<int>(i));
    if (cores.size() < static_cast<std::size_t>(host.threads[i])) return false;
  }
  return true;
}

}  // namespace

Placement PlaceRank(ControlPlane& comm, const PlacementOptions& options) {
  Placement placement;
  const double share = CpuShare(comm, options.quotas);
  placement.threads = options.threads > 0 ? static_cast<int>(options.threads) : ThreadsOf(share);
  const HostRanks host = GatherHost(comm, placement.threads);
  const int threads = std::accumulate(host.threads.begin(), host.threads.end(), 0);
  // A thread that keeps its core busy while it waits also spends the quota of its control group.
  const bool spends_more = placement.threads > ThreadsOf(share) || share < 1.0;
  const bool crowded = threads > CountCores(host.allowed) || spends_more;
  placement.waiting = crowded ? ControlPlane::Waiting::kYields : ControlPlane::Waiting::kSpins;
  comm.set_waiting(placement.waiting);
  if (options.bind == Binding::kAuto && Fits(host)) {
    placement.cores = CoresOfRank(host.allowed, host.self);
  }
  return placement;
}

// Nobody has asked for it by name: a container that forbids it only makes the rank slower.
void BindWhereAllowed(const Placement& placement) {
  try {
    std::vector<int> all = AllowedCores();
    BindThisThread(placement.cores);
    AllowRoaming(placement.cores.empty() ? std::vector<int>{} : std::move(all));
  } catch (const Error& error) {
    WriteLog(LogLevel::kDebug, fmt::format("threads are not bound to cores: {}", error.what()));
  }
}

}  // namespace lockstep
