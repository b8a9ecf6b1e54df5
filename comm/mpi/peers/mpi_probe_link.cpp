#include "comm/mpi/peers/mpi_probe_link.h"

#include <mpi.h>

#include <limits>
#include <list>
#include <utility>

#include "comm/mpi/mpi_inbox.h"
#include "comm/mpi/mpi_lanes.h"
#include "comm/mpi/peers/mpi_call.h"

namespace lockstep {
namespace {

constexpr int kCalls = 32;

std::weak_ptr<PeerProbe> g_probe;

class MpiProbeLink final : public ProbeLink {
 public:
  MpiProbeLink()
      : tag_(TagOf(kWorldLane, Collective::kPeerProbe, 0)),
        inbox_(tag_, [](int rank) { return fmt::format("rank {}", rank); }) {}

  // MPI may read what is on its way until the process ends.
  ~MpiProbeLink() override {
    static std::list<Sent> abandoned;
    abandoned.splice(abandoned.end(), sent_);
  }
  MpiProbeLink(const MpiProbeLink&) = delete;
  MpiProbeLink& operator=(const MpiProbeLink&) = delete;

  // A rank that cannot be reached does not answer, which is all that a probe wants to know.
  void Send(int to, std::span<const std::byte> word) override {
    Clear();
    Sent& sent = sent_.emplace_back(Sent{{word.begin(), word.end()}, MPI_REQUEST_NULL});
    const MpiCall watched;
    MPI_Isend(sent.word.data(), static_cast<int>(sent.word.size()), MPI_BYTE, to, tag_,
              MPI_COMM_WORLD, &sent.request);
  }

  // A rank that waits in memory calls MPI for this alone, and not every call moves its network.
  std::optional<Word> Receive() override {
    for (int call = 0; call < kCalls; ++call) {
      auto message = inbox_.Take(std::numeric_limits<double>::infinity());
      if (message) return Word{message->from, std::move(message->bytes)};
    }
    return std::nullopt;
  }

 private:
  struct Sent {
    std::vector<std::byte> word;
    MPI_Request request;
  };

  // Forgets what has been sent.
  void Clear() {
    std::erase_if(sent_, [](Sent& sent) {
      int done = 0;
      Watched([&] { return MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE); });
      return done != 0;
    });
  }

  int tag_;
  std::list<Sent> sent_;
  MpiInbox inbox_;
};

}  // namespace

std::shared_ptr<PeerProbe> ProbeOverMpi(const MpiRanks& world) {
  auto probe = std::make_shared<PeerProbe>(world.Self(), std::make_unique<MpiProbeLink>());
  probe->set_hosts(world.hosts);
  g_probe = probe;
  return probe;
}

std::shared_ptr<PeerProbe> ProcessProbe() {
  auto probe = g_probe.lock();
  LOCKSTEP_CHECK(probe != nullptr, "a probe outside a world");
  return probe;
}

}  // namespace lockstep
