#pragma once

#include <string>
#include <utility>
#include <vector>

#include "comm/control_plane.h"
#include "core/memory_pools.h"
#include "runtime/memory/memory_need.h"

namespace lockstep {

// What one rank will take from one pool.
struct MemoryClaim {
  MemoryPool pool;
  MemoryNeed need;
  // Bytes that it would take with another --dtype, by its name.
  std::vector<std::pair<std::string, double>> otherwise;
  int rank = 0;
};

// Why the claims of all ranks do not fit into what is there, with what to do about it; "" where
// they do. Claims on one pool are added: pools of equal ids on one host, MemoryPool::kOwn by rank.
std::string WhyTooLittleMemory(const std::vector<MemoryClaim>& claims, const HostMap& hosts);

// Throws that as an EnvironmentError on every rank. Collective; `mine` are this rank's claims.
void CheckMemory(ControlPlane& world, const std::vector<MemoryClaim>& mine);

// What this rank may take of its pools when all ranks that share one take as much: of the pool that
// leaves it the least. Infinity without pools. Collective.
double ShareOfMemory(ControlPlane& world, const std::vector<MemoryPool>& pools);

}  // namespace lockstep
