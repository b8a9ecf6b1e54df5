// Joining an MPI world; the only way in, so that no other file needs to know of MPI.
#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "comm/mpi/mpi_blocking.h"
#include "comm/mpi/mpi_communicator.h"
#include "comm/mpi/mpi_share_memory.h"
#include "comm/self_communicator.h"
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
  auto world = std::make_unique<MpiCommunicator>(AllMpiRanks(), options);
  const Activity joining("joining the world");
  const DeadlineScope deadline(*world, options.init_deadline_seconds);
  world->LearnHosts();
  if (!options.check) return world;
  try {
    options.check(*world);
  } catch (const CollectiveError&) {
    throw;
  } catch (const Error& error) {
    throw JoinError(error.code(), error.what(), std::move(world));
  }
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
  return ShareMemory(Meet(options), options);
}

std::unique_ptr<Communicator> JoinGroup(Communicator& world, int groups,
                                        const WorldOptions& options) {
  LOCKSTEP_CHECK(groups > 0 && world.size() % groups == 0, "{} ranks in {} groups", world.size(),
                 groups);
  const int size = world.size() / groups;
  if (size == 1) return std::make_unique<SelfCommunicator>();
  MpiRanks all = AllMpiRanks();
  const std::string mine = MachineId();
  const auto machines = world.AllGather(std::as_bytes(std::span(mine)));
  for (std::size_t rank = 0; rank < machines.size(); ++rank) {
    const auto* text = reinterpret_cast<const char*>(machines[rank].data());
    all.hosts[rank] = world.host(static_cast<int>(rank));
    all.machines[rank] = all.hosts[rank] + "\n" + std::string(text, machines[rank].size());
  }
  std::vector<int> part(static_cast<std::size_t>(size));
  std::iota(part.begin(), part.end(), world.rank() / size * size);
  return ShareMemory(std::make_unique<MpiCommunicator>(all.Select(part, MpiLane::kGroup), options),
                     options);
}

}  // namespace lockstep
