// Stands in for hwloc in builds without it.
#include <algorithm>

#include "core/threads/affinity.h"

namespace lockstep {

std::vector<int> InMachineOrder(std::vector<int> cores) {
  std::ranges::sort(cores);
  return cores;
}

}  // namespace lockstep
