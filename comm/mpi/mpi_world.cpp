// Joining an MPI world; the only way in, so that no other file needs to know of MPI.
#include <algorithm>
#include <cstdlib>

#include "comm/mpi/mpi_blocking.h"
#include "comm/mpi/mpi_communicator.h"
#include "comm/mpi/mpi_share_memory.h"
#include "comm/mpi/peers/mpi_probe_link.h"
#include "comm/peers/life_lines.h"
#include "comm/world.h"
#include "core/activity.h"

namespace lockstep {

bool BuiltWithMpi() { return true; }

namespace {

std::string NotJoined(const WorldOptions& options, const char* rank) {
  const std::string absent = options.absent ? options.absent() : "";
  return fmt::format(
      "joining the world: rank {} on {} did not find its peers within {:g} s{}; check that every "
      "rank has started and that the hosts reach each other (Open MPI: "
      "OMPI_MCA_btl_tcp_if_include names the network interface)",
      rank != nullptr ? rank : "?", HostName(), options.init_deadline_seconds,
      absent.empty() ? "" : ": " + absent);
}

// The first words between the ranks, under the deadline of joining.
std::unique_ptr<MpiCommunicator> Meet(const WorldOptions& options) {
  auto deadline = std::make_shared<Deadline>();
  deadline->seconds = options.deadline_seconds;
  auto world = std::make_unique<MpiCommunicator>(
      MpiCommunicator::Parts{.ranks = AllMpiRanks(),
                             .deadline = std::move(deadline),
                             .max_message_bytes = options.max_message_bytes,
                             .shared_memory = options.shared_memory,
                             .probe = ProbeOverMpi(AllMpiRanks())});
  const Activity joining("joining the world");
  const DeadlineScope joining_seconds(*world, options.init_deadline_seconds);
  world->LearnHosts(options.ranks_per_host);
  try {
    if (options.check) options.check(*world);
  } catch (const CollectiveError&) {
    throw;
  } catch (const Error& error) {
    throw JoinError(error.code(), error.what(), std::move(world));
  }
  world->probe()->set_life_lines(LifeLines::Open(*world));
  return world;
}

}  // namespace

std::unique_ptr<Communicator> JoinWorld(const WorldOptions& options) {
  LOCKSTEP_CHECK(options.max_message_bytes >= 4096 && options.max_message_bytes <= (1u << 30),
                 "max_message_bytes {}", options.max_message_bytes);
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  // Lower ranks first: the world ends with the first message, and one is enough.
  const double turn = rank != nullptr ? 1.5 * std::min(std::atoi(rank), 8) : 0;
  StartMpi({options.init_deadline_seconds + turn, [&] { return NotJoined(options, rank); }});
  return ShareMemory(Meet(options));
}

}  // namespace lockstep
