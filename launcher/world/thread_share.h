#pragma once

#include <cstdint>

#include "comm/communicator.h"

namespace lockstep {

// How many threads this rank computes with: `asked`, or where that is 0 its share of the cores it
// may run on. A core that several ranks of one host may run on is divided between them; whether
// mpirun has bound the ranks to cores or not, all cores are used once. At least 1. Collective.
int ThreadShare(Communicator& comm, std::int64_t asked);

}  // namespace lockstep
