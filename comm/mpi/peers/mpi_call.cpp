#include "comm/mpi/peers/mpi_call.h"

#include <cstdlib>

#include "comm/groups/hosts.h"
#include "comm/mpi/mpi_ranks.h"
#include "core/error.h"
#include "core/log.h"

namespace lockstep {
namespace {

constexpr double kMostComputed = 2;  // seconds; such a call takes microseconds

// The process's own, with a thread from the first call on.
CallWatch& WatchOfMpi() {
  static CallWatch watch(
      [rank = AllMpiRanks().Self()] {
        LogError(
            "rank {} on {}: a call of MPI does not return, as on a broken connection: a peer has "
            "ended or cannot be reached",
            rank, HostName());
        // Destructors would wait for the call.
        std::quick_exit(static_cast<int>(ExitCode::kRankFailure));
      },
      CallWatch::Counts::kComputing);
  return watch;
}

}  // namespace

MpiCall::MpiCall() : call_(WatchOfMpi(), kMostComputed) {}

}  // namespace lockstep
