#include "comm/mpi/peers/mpi_call.h"

#include <cstdlib>

#include "comm/groups/hosts.h"
#include "comm/mpi/mpi_ranks.h"
#include "core/activity.h"
#include "core/error.h"
#include "core/log.h"

namespace lockstep {
namespace {

constexpr double kMostComputed = 2;  // seconds; such a call takes microseconds

// The process's own, with a thread from the first call on.
CallWatch& WatchOfMpi() {
  static CallWatch watch(
      [self = AllMpiRanks().Self()] {
        // Whom it is about is for others to say: by now ranks have ended because one has.
        LogError(
            "a call of MPI does not return: a peer has ended, or the connection to it is broken "
            "(rank {} on {}, while {})",
            self, HostName(), CurrentActivity());
        // Destructors would wait for the call.
        std::quick_exit(static_cast<int>(ExitCode::kRankFailure));
      },
      CallWatch::Counts::kComputing);
  return watch;
}

}  // namespace

MpiCall::MpiCall() : call_(WatchOfMpi(), kMostComputed) {}

}  // namespace lockstep
