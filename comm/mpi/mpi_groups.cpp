// Which ranks there are, and the groups that they are cut into.
#include <cstring>
#include <sstream>
#include <string>

#include "comm/groups/split.h"
#include "comm/mpi/mpi_communicator.h"
#include "comm/mpi/mpi_share_memory.h"
#include "comm/self_communicator.h"

namespace lockstep {

void MpiCommunicator::LearnHosts(int ranks_per_host) {
  const RankHost here = ThisHost();
  const int pretended = ranks_per_host > 0 ? rank() / ranks_per_host : 0;
  const std::string mine =
      fmt::format("{}\n{} {}\n{}", here.name, here.machine, pretended, here.processes);
  std::vector<RankHost> all;
  for (const Bytes& bytes : AllGather(std::as_bytes(std::span(mine)))) {
    std::istringstream text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    RankHost& one = all.emplace_back();
    std::getline(text, one.name);
    std::getline(text, one.machine);
    std::getline(text, one.processes);
  }
  channel_.set_hosts(HostMap(std::move(all)));
  probe()->set_hosts(hosts());
}

std::unique_ptr<MpiCommunicator> MpiCommunicator::AcrossHosts(std::span<const int> some) const {
  return std::make_unique<MpiCommunicator>(
      Parts{.ranks = ranks().Select(some, ranks().lane + kAcrossHosts),
            .deadline = deadline(),
            .max_message_bytes = max_message_bytes_,
            .shared_memory = SharedMemory::kOff,
            .probe = probe()});
}

std::unique_ptr<Communicator> MpiCommunicator::Split(int color, int key) {
  struct Note {
    SplitChoice choice;
    std::uint64_t lanes_in_use;
  };
  CheckColor({color, key});
  const Note mine{{color, key}, LanesInUse()};
  std::vector<SplitChoice> choices;
  std::uint64_t in_use = 0;
  for (const Bytes& bytes : AllGather(std::as_bytes(std::span(&mine, 1)))) {
    Note note{};
    LOCKSTEP_CHECK(bytes.size() == sizeof(note), "{} bytes", bytes.size());
    std::memcpy(&note, bytes.data(), sizeof(note));
    choices.push_back(note.choice);
    in_use |= note.lanes_in_use;
  }
  const int lane = FreeLane(in_use);
  const std::vector<int> part = PartOf(rank(), choices);
  if (part.size() == 1) return std::make_unique<SelfCommunicator>(*this);
  auto group = std::make_unique<MpiCommunicator>(Parts{.ranks = ranks().Select(part, lane),
                                                       .deadline = deadline(),
                                                       .max_message_bytes = max_message_bytes_,
                                                       .shared_memory = shared_memory_,
                                                       .probe = probe()});
  group->lane_ = std::make_unique<LaneClaim>(lane);
  return ShareMemory(std::move(group));
}

}  // namespace lockstep
