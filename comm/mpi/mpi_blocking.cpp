#include "comm/mpi/mpi_blocking.h"

#include <mpi.h>

#include <cstdlib>

#include "comm/watchdog.h"
#include "core/error.h"

namespace lockstep {
namespace {

constexpr double kAbortSeconds = 5;

template <typename Call>
auto Within(const MpiLimit& limit, const Call& call) {
  const Watchdog watchdog(limit.seconds, {static_cast<int>(ExitCode::kRankFailure), limit.message});
  return call();
}

}  // namespace

void StartMpi(const MpiLimit& limit) {
  int provided = MPI_THREAD_SINGLE;
  // Collectives come from one thread at a time, but not always the one that has started MPI.
  const int code = Within(
      limit, [&] { return MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided); });
  if (code != MPI_SUCCESS) throw EnvironmentError("MPI cannot start (error {})", code);
  if (provided < MPI_THREAD_SERIALIZED) {
    throw EnvironmentError(
        "this MPI has no thread support (MPI_THREAD_SERIALIZED); use an Open MPI built with "
        "threads, such as Debian's libopenmpi-dev");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

void LeaveMpi(const MpiLimit& limit) {
  Within(limit, [] { return MPI_Finalize(); });
}

void AbortMpi(int exit_code) {
  const Watchdog watchdog(kAbortSeconds, {exit_code, nullptr});
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

double SecondsOfMpiAllReduce(const MpiSum& sum, const MpiLimit& limit) {
  return Within(limit, [&] {
    const double start = MPI_Wtime();
    for (int i = 0; i < sum.repeats; ++i) {
      MPI_Allreduce(sum.values.data(), sum.sums.data(), static_cast<int>(sum.values.size()),
                    MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    }
    return MPI_Wtime() - start;
  });
}

}  // namespace lockstep
