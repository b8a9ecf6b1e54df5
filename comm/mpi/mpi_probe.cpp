#include "comm/mpi/mpi_probe.h"

#include <dlfcn.h>
#include <mpi.h>

#include <filesystem>
#include <system_error>
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

bool MpiKnowsPmi2() {
  // Open MPI's ways to find peers are plug-ins, mca_pmix_<way>.so, below lib/openmpi*/ beside its
  // library.
  Dl_info library{};
  if (::dladdr(reinterpret_cast<void*>(&MPI_Init), &library) == 0) return true;
  namespace fs = std::filesystem;
  std::error_code ignored;
  bool has_plug_ins = false;
  const fs::path own = fs::canonical(library.dli_fname, ignored).parent_path();
  for (const auto& folder : fs::directory_iterator(own, ignored)) {
    if (!folder.path().filename().string().starts_with("openmpi")) continue;
    for (const auto& file : fs::recursive_directory_iterator(folder.path(), ignored)) {
      const std::string name = file.path().filename();
      if (name == "mca_pmix_s1.so" || name == "mca_pmix_s2.so") return true;
      has_plug_ins = has_plug_ins || name.starts_with("mca_pmix_");
    }
  }
  // Without plug-ins they may be in the library itself, which Open MPI 5 has given up.
  return !has_plug_ins && !MpiLibrary().starts_with("Open MPI v5");
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
