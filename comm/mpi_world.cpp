// Joining an MPI world; the only way in, so that no other file needs to know of MPI.
#include <algorithm>
#include <cstdlib>

#include "comm/mpi_communicator.h"
#include "comm/mpi_share_memory.h"
#include "comm/self_communicator.h"
#include "comm/watchdog.h"
#include "comm/world.h"

namespace lockstep {

bool BuiltWithMpi() { return true; }

std::unique_ptr<Communicator> JoinWorld(const WorldOptions& options) {
  LOCKSTEP_CHECK(options.max_message_bytes >= 4096 && options.max_message_bytes <= (1u << 30),
                 "max_message_bytes {}", options.max_message_bytes);
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  // Lower ranks first: the world ends with the first message, and one is enough.
  const double turn = rank != nullptr ? 1.5 * std::min(std::atoi(rank), 8) : 0;
  const Watchdog watchdog(
      options.init_deadline_seconds + turn,
      {static_cast<int>(ExitCode::kRankFailure),
       fmt::format("joining the world: rank {} on {} did not find its peers within {:g} s; check "
                   "that every rank has started and that the hosts reach each other (Open MPI: "
                   "OMPI_MCA_btl_tcp_if_include names the network interface)",
                   rank != nullptr ? rank : "?", HostName(), options.init_deadline_seconds)});
  int provided = MPI_THREAD_SINGLE;
  // Collectives come from one thread at a time, but not always the one that has started MPI.
  const int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
  if (code != MPI_SUCCESS) throw EnvironmentError("MPI cannot start (error {})", code);
  if (provided < MPI_THREAD_SERIALIZED) {
    throw EnvironmentError(
        "this MPI has no thread support (MPI_THREAD_SERIALIZED); use an Open MPI built with "
        "threads, such as Debian's libopenmpi-dev");
  }
  return ShareMemory(std::make_unique<MpiCommunicator>(MPI_COMM_WORLD, options), options);
}

std::unique_ptr<Communicator> JoinGroup(Communicator& world, int groups,
                                        const WorldOptions& options) {
  LOCKSTEP_CHECK(groups > 0 && world.size() % groups == 0, "{} ranks in {} groups", world.size(),
                 groups);
  const int size = world.size() / groups;
  MPI_Comm part = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, world.rank() / size, world.rank(), &part);
  if (size == 1) return std::make_unique<SelfCommunicator>();
  return ShareMemory(std::make_unique<MpiCommunicator>(part, options), options);
}

}  // namespace lockstep
