#include "comm/mpi/mpi_share_memory.h"

#include <cstring>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/groups/hosts.h"
#include "comm/hierarchical_communicator.h"
#include "comm/shared/shared_communicator.h"
#include "core/log.h"

namespace lockstep {
namespace {

// This rank's place among those of its host.
struct Host {
  HostPlace place;
  int rank;
};

// Why memory is not shared, in the words of an error; nothing when it can be.
std::optional<std::string> Obstacle(const std::vector<HostPlace>& places) {
  if (places[0].ranks == 1 && SumOrderIsHierarchical(places))
    return "there is one rank on each host";
  if (SumOrderIsHierarchical(places)) return std::nullopt;
  return "sums keep their order only where each host has as many ranks, a power of two, and they "
         "are numbered host by host (mpirun --map-by slot)";
}

// The segment of this rank's host, which its lowest rank makes. Collective over the world; throws
// on single ranks, after everybody has what it needs from them.
std::shared_ptr<SharedSegment> MeetInSegment(ControlPlane& world, const Host& host) {
  std::shared_ptr<SharedSegment> segment;
  SharedSegment::Address address{};
  std::optional<Error> failure;
  try {
    if (host.rank == 0) segment = SharedSegment::Create(host.place.ranks);
    if (host.rank == 0) address = segment->address();
  } catch (const Error& error) {
    failure = error;  // the others find nothing at the address of nobody
  }
  const auto all = world.AllGather(std::as_bytes(std::span(&address, 1)));
  if (failure) throw *failure;
  if (host.rank == 0) return segment;
  std::memcpy(&address, all[static_cast<std::size_t>(host.place.first_rank)].data(),
              sizeof(address));
  return SharedSegment::Open(address);
}

std::unique_ptr<SharedCommunicator> OpenSegment(MpiCommunicator& world, const Host& host,
                                                Reducer* across) {
  std::shared_ptr<SharedSegment> segment = MeetInSegment(world, host);
  std::vector<int> here(static_cast<std::size_t>(host.place.ranks));
  std::iota(here.begin(), here.end(), host.place.first_rank);
  // Messages name ranks as the whole world knows them; these may be a part of it.
  MpiRanks named = world.ranks().Select(here, world.ranks().lane);
  return std::make_unique<SharedCommunicator>(
      SharedCommunicator::Parts{.segment = std::move(segment),
                                .ranks = {.rank = host.rank,
                                          .numbers = std::move(named.numbers),
                                          .hosts = std::move(named.hosts),
                                          .group = GroupInMemory(world.ranks().lane)},
                                .deadline = world.deadline(),
                                .across = across,
                                .probe = world.probe()});
}

// The ranks that have this one's place on their hosts.
std::unique_ptr<MpiCommunicator> AcrossHosts(const MpiCommunicator& world, const Host& host) {
  std::vector<int> peers;
  for (int rank = host.rank; rank < world.size(); rank += host.place.ranks) peers.push_back(rank);
  return world.AcrossHosts(peers);
}

// The lowest failing rank's message, on every rank.
std::optional<std::string> FirstFailure(ControlPlane& world, const std::string& mine) {
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
                                        const std::string& why) {
  if (world->shared_memory() == SharedMemory::kOn) {
    throw JoinError(
        ExitCode::kEnvironment,
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

std::unique_ptr<Communicator> ShareMemory(std::unique_ptr<MpiCommunicator> world) {
  if (world->shared_memory() == SharedMemory::kOff || world->size() == 1) return world;
  const std::vector<HostPlace> places = world->hosts().Places();
  const HostPlace& place = places[static_cast<std::size_t>(world->rank())];
  const Host host{place, world->rank() - place.first_rank};
  const auto obstacle = Obstacle(places);
  if (obstacle) return DoWithout(std::move(world), *obstacle);

  std::unique_ptr<MpiCommunicator> across;
  if (place.ranks < world->size()) across = AcrossHosts(*world, host);
  std::unique_ptr<SharedCommunicator> local;
  std::string failure;
  try {
    local = OpenSegment(*world, host, across.get());
  } catch (const Error& error) {
    failure = error.what();
  }
  // From here on all have left their mark in the segment, so that none is taken for gone.
  const auto first = FirstFailure(*world, failure);
  if (first) return DoWithout(std::move(world), *first);
  if (across != nullptr) {
    return std::make_unique<HierarchicalCommunicator>(
        HierarchicalCommunicator::Parts{std::move(world), std::move(across), std::move(local)});
  }
  local->set_world(std::move(world));
  return local;
}

}  // namespace lockstep
