#pragma once

#include <string>

#include "comm/groups/hosts.h"

namespace lockstep {

// Why the ranks of a group share no memory though several are on one host, and what to do about it:
// "sums go through MPI: the hosts have 3 and 1 of the ranks; …". Empty where they can, or where
// there is one rank on each host. `srun` places four tasks on two nodes like that unless it is told
// otherwise.
std::string WhyMemoryIsNotShared(const HostMap& hosts);

}  // namespace lockstep
