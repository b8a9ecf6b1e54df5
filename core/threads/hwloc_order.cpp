// The order of cores in the machine, as hwloc knows it.
#include <hwloc.h>

#include <algorithm>
#include <map>

#include "core/threads/affinity.h"

namespace lockstep {
namespace {

// The place of every core, by the system's number.
std::map<int, unsigned> Places() {
  std::map<int, unsigned> places;
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return places;
  if (hwloc_topology_load(topology) == 0) {
    hwloc_obj_t unit = nullptr;
    while ((unit = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, unit)) != nullptr) {
      places[static_cast<int>(unit->os_index)] = unit->logical_index;
    }
  }
  hwloc_topology_destroy(topology);
  return places;
}

}  // namespace

std::vector<int> InMachineOrder(std::vector<int> cores) {
  // Reading the machine takes a while, and it does not change.
  static const std::map<int, unsigned> places = Places();
  const auto place = [](int core) {
    const auto found = places.find(core);
    return found != places.end() ? found->second : ~0u;
  };
  std::ranges::sort(cores);
  std::ranges::stable_sort(cores, {}, place);
  return cores;
}

}  // namespace lockstep
