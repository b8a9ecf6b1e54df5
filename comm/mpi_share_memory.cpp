#include "comm/mpi_share_memory.h"

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/hosts.h"
#include "comm/hosts_communicator.h"
#include "comm/shared_communicator.h"
#include "core/log.h"

namespace lockstep {
namespace {

// This rank's host, as MPI tells it.
struct Host {
  MPI_Comm comm;  // its ranks, in the order of the world
  int rank;       // of this one among them
  HostPlace place;
};

Host FindHost(const MpiCommunicator& world, int ranks_per_host) {
  Host host{};
  if (ranks_per_host > 0) {
    MPI_Comm_split(world.handle(), world.rank() / ranks_per_host, world.rank(), &host.comm);
  } else {
    MPI_Comm_split_type(world.handle(), MPI_COMM_TYPE_SHARED, world.rank(), MPI_INFO_NULL,
                        &host.comm);
  }
  MPI_Comm_rank(host.comm, &host.rank);
  MPI_Comm_size(host.comm, &host.place.ranks);
  host.place.first_rank = world.rank();
  MPI_Bcast(&host.place.first_rank, 1, MPI_INT, 0, host.comm);
  return host;
}

std::vector<HostPlace> GatherPlaces(Communicator& world, const HostPlace& mine) {
  std::vector<HostPlace> places;
  for (const auto& bytes : world.AllGather(std::as_bytes(std::span(&mine, 1)))) {
    HostPlace place{};
    std::memcpy(&place, bytes.data(), sizeof(place));
    places.push_back(place);
  }
  return places;
}

// Why memory is not shared, in the words of an error; nothing when it can be.
std::optional<std::string> Obstacle(const std::vector<HostPlace>& places) {
  if (places[0].ranks == 1 && SumsNest(places)) return "there is one rank on each host";
  if (SumsNest(places)) return std::nullopt;
  return "sums keep their order only where each host has as many ranks, a power of two, and they "
         "are numbered host by host (mpirun --map-by slot)";
}

std::unique_ptr<SharedCommunicator> OpenSegment(const Communicator& world, const Host& host,
                                                Communicator* across) {
  std::shared_ptr<SharedSegment> segment;
  SharedSegment::Address address{};
  std::optional<Error> failure;
  try {
    if (host.rank == 0) segment = SharedSegment::Create(host.place.ranks);
    if (host.rank == 0) address = segment->address();
  } catch (const Error& error) {
    failure = error;  // the others find nothing at the address of nobody
  }
  MPI_Bcast(&address, sizeof(address), MPI_BYTE, 0, host.comm);
  if (failure) throw *failure;
  if (host.rank != 0) segment = SharedSegment::Open(address);
  // Messages name ranks as the whole world knows them; these may be a part of it, in a row.
  int world_rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
  SharedRanks ranks{host.rank, world_rank - world.rank() + host.place.first_rank, {}};
  for (int peer = 0; peer < host.place.ranks; ++peer) {
    ranks.hosts.push_back(world.host(host.place.first_rank + peer));
  }
  auto shared = std::make_unique<SharedCommunicator>(
      SharedCommunicator::Parts{std::move(segment), std::move(ranks), across});
  shared->set_deadline_seconds(world.deadline_seconds());
  return shared;
}

// The lowest failing rank's message, on every rank.
std::optional<std::string> FirstFailure(Communicator& world, const std::string& mine) {
  const auto all = world.AllGather(std::as_bytes(std::span(mine)));
  for (int rank = 0; rank < world.size(); ++rank) {
    const auto& bytes = all[static_cast<std::size_t>(rank)];
    if (bytes.empty()) continue;
    return fmt::format("{} (rank {} on {})",
                       std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                       rank, world.host(rank));
  }
  return std::nullopt;
}

std::unique_ptr<Communicator> DoWithout(std::unique_ptr<MpiCommunicator> world,
                                        const WorldOptions& options, const std::string& why) {
  if (options.shared_memory == SharedMemory::kOn) {
    throw SharedMemoryError(
        fmt::format("comm.shared_memory is on, but {}; use auto to do without where it must be",
                    why),
        std::move(world));
  }
  if (world->rank() == 0) {
    WriteLog(LogLevel::kDebug, fmt::format("ranks share no memory: {}", why));
  }
  return world;
}

}  // namespace

std::unique_ptr<Communicator> ShareMemory(std::unique_ptr<MpiCommunicator> world,
                                          const WorldOptions& options) {
  if (options.shared_memory == SharedMemory::kOff || world->size() == 1) return world;
  const Host host = FindHost(*world, options.ranks_per_host);
  const auto obstacle = Obstacle(GatherPlaces(*world, host.place));
  if (obstacle) return DoWithout(std::move(world), options, *obstacle);

  std::unique_ptr<MpiCommunicator> across;
  if (host.place.ranks < world->size()) {
    MPI_Comm peers = MPI_COMM_NULL;
    MPI_Comm_split(world->handle(), host.rank, world->rank(), &peers);
    across = std::make_unique<MpiCommunicator>(peers, options);
  }
  std::unique_ptr<SharedCommunicator> local;
  std::string failure;
  try {
    local = OpenSegment(*world, host, across.get());
  } catch (const Error& error) {
    failure = error.what();
  }
  // From here on all have left their mark in the segment, so that none is taken for gone.
  const auto first = FirstFailure(*world, failure);
  if (first) return DoWithout(std::move(world), options, *first);
  if (across != nullptr) {
    return std::make_unique<HostsCommunicator>(
        HostsCommunicator::Parts{std::move(world), std::move(across), std::move(local)});
  }
  local->set_world(std::move(world));
  return local;
}

}  // namespace lockstep
