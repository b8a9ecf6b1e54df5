#include "comm/mpi/peers/mpi_call.h"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "comm/groups/hosts.h"
#include "comm/mpi/mpi_ranks.h"
#include "comm/mpi/peers/mpi_probe_link.h"
#include "core/activity.h"
#include "core/error.h"
#include "core/log.h"

namespace lockstep {
namespace {

constexpr double kMostComputed = 2;  // seconds; such a call takes microseconds

// Called while the process's thread is held within MPI, so that what is its own may be used.
std::string WhatHolds(int self) {
  const auto probe = ProcessProbe();
  const std::optional<int> gone = probe ? probe->Gone() : std::nullopt;
  return fmt::format("a call of MPI does not return: {} (rank {} on {}, while {})",
                     gone ? probe->Name(*gone) + " has ended"
                          : "a peer has ended, or the connection to it is broken",
                     self, HostName(), CurrentActivity());
}

// The process's own, with a thread from the first call on.
CallWatch& WatchOfMpi() {
  static CallWatch watch(
      [self = AllMpiRanks().Self()] {
        LogError("{}", WhatHolds(self));
        // Destructors would wait for the call.
        std::quick_exit(static_cast<int>(ExitCode::kRankFailure));
      },
      CallWatch::Counts::kComputing);
  return watch;
}

}  // namespace

MpiCall::MpiCall() : call_(WatchOfMpi(), kMostComputed) {}

}  // namespace lockstep
