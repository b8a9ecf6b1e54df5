#include "launcher/world/thread_share.h"

#include <sched.h>

#include <algorithm>
#include <cstring>

namespace lockstep {
namespace {

cpu_set_t OwnCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof(cores), &cores);
  return cores;
}

bool Has(const cpu_set_t& cores, std::size_t core) { return CPU_ISSET(core, &cores); }

}  // namespace

int ThreadShare(Communicator& comm, std::int64_t asked) {
  const cpu_set_t mine = OwnCores();
  Communicator::Bytes bytes(sizeof(mine));
  std::memcpy(bytes.data(), &mine, sizeof(mine));
  const auto sets = comm.AllGather(bytes);
  if (asked > 0) return static_cast<int>(asked);

  double share = 0.0;
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (!Has(mine, core)) continue;
    int sharers = 0;
    for (int rank = 0; rank < comm.size(); ++rank) {
      if (comm.host(rank) != comm.host(comm.rank())) continue;
      cpu_set_t theirs;
      std::memcpy(&theirs, sets[static_cast<std::size_t>(rank)].data(), sizeof(theirs));
      if (Has(theirs, core)) ++sharers;
    }
    share += 1.0 / std::max(1, sharers);
  }
  // A little more than the sum, which rounding may have left a little below a whole number.
  return std::max(1, static_cast<int>(share + 1e-6));
}

}  // namespace lockstep
