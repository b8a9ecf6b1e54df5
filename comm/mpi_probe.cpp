#include "comm/mpi_probe.h"

#include <mpi.h>

#include <vector>

#include "core/error.h"

namespace lockstep {

double TimeMpiAllReduce(std::size_t count, int repeats) {
  int started = 0;
  MPI_Initialized(&started);
  if (started == 0) throw EnvironmentError("MPI's all-reduce: this process is in no MPI world");
  LOCKSTEP_CHECK(repeats >= 1 && count < (std::size_t{1} << 31), "{} calls of {} floats", repeats,
                 count);
  const std::vector<float> values(count, 1.0f);
  std::vector<float> sums(count);
  const auto length = static_cast<int>(count);
  MPI_Barrier(MPI_COMM_WORLD);
  const double start = MPI_Wtime();
  for (int i = 0; i < repeats; ++i) {
    MPI_Allreduce(values.data(), sums.data(), length, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  }
  return (MPI_Wtime() - start) / repeats;
}

}  // namespace lockstep
