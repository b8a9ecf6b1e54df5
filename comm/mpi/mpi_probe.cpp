#include "comm/mpi/mpi_probe.h"

#include <mpi.h>

#include <vector>

#include "comm/mpi/mpi_blocking.h"
#include "core/error.h"

namespace lockstep {

std::string MpiLibrary() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  return text;  // some count the end in the length
}

double TimeMpiAllReduce(ControlPlane& world, std::size_t count, int repeats) {
  int started = 0;
  MPI_Initialized(&started);
  if (started == 0) throw EnvironmentError("MPI's all-reduce: this process is in no MPI world");
  LOCKSTEP_CHECK(repeats >= 1 && count < (std::size_t{1} << 31), "{} calls of {} floats", repeats,
                 count);
  const std::vector<float> values(count, 1.0f);
  std::vector<float> sums(count);
  world.Barrier();
  const MpiLimit limit{
      world.deadline_seconds(), [&] {
        return fmt::format(
            "MPI's all-reduce: {} calls of {} floats took longer than {:g} s (rank "
            "{} on {})",
            repeats, count, world.deadline_seconds(), world.rank(), world.host(world.rank()));
      }};
  return SecondsOfMpiAllReduce({values, sums, repeats}, limit) / repeats;
}

}  // namespace lockstep
