#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/collective.h"
#include "comm/control_plane.h"
#include "comm/deadline_backoff.h"
#include "comm/peers/peer_probe.h"
#include "comm/shared/shared_segment.h"
#include "core/threads/spin_budget.h"

namespace lockstep {

// Who this process is among the ranks of its host.
struct SharedRanks {
  int rank = 0;              // in the segment
  std::vector<int> numbers;  // of the segment's ranks, as the world knows them
  HostMap hosts;             // of the segment's ranks
  int group = 0;             // see PeerWait
};

// What the ranks of one host tell each other through their letterboxes, with the deadline of the
// collective it belongs to:
//   channel.Begin(Collective::kGather, bytes, deadline);
//   copy to channel.inlined(), or somewhere else in the segment; channel.Post(place);
//   channel.Await(peer).bytes; channel.Message(peer); …
// Every rank posts in every collective, whether its peers wait for that or not. What a rank has
// posted, and where, stays untouched until its peers have posted their next collective: Begin()
// waits for that, so collectives need no barrier at their end.
//
// Every method throws what ControlPlane documents; after that the channel is unusable. Before a
// deadline passes the probe asks around; a peer that is gone is noticed within seconds.
// Not thread-safe: the communicator's thread.
class SharedChannel {
 public:
  SharedChannel(std::shared_ptr<SharedSegment> segment, SharedRanks ranks,
                std::shared_ptr<PeerProbe> probe);

  int rank() const { return ranks_.rank; }
  int size() const { return size_; }
  const HostMap& hosts() const { return ranks_.hosts; }
  PeerProbe& probe() { return *probe_; }

  // Whether a waiting rank may keep its core busy for a while.
  void set_cores(DeadlineBackoff::Cores cores) { cores_ = cores; }

  void Begin(Collective collective, std::size_t bytes, double deadline_seconds);
  std::uint64_t number() const { return number_; }

  // A message between this rank and call.peer, beside the collectives and with numbers of its own:
  // waits until the counter that the peer raises has reached the number.
  void BeginMessage(const PeerCall& call, double deadline_seconds);
  void AwaitMessage(const SharedCounter& counter);

  // Where this collective's short message of this rank goes.
  std::span<std::byte> inlined() { return Inlined(rank()); }
  // Tells the peers about this rank's message: the inlined one, or that at the place.
  void Post() { Post(SharedPlace{}); }
  void Post(const SharedPlace& place);

  // Waits until the peer has posted this collective. All agree on the number of bytes, or not.
  const SharedPost& Await(int peer);
  const SharedPost& AwaitSameSize(int peer);
  // After Await(): the peer's inlined message, or the memory at its place.
  std::span<std::byte> Inlined(int peer);
  std::byte* Placed(int peer);

  // The end of a collective in which ranks work on each other's memory.
  void RaiseDone();
  void AwaitDone(int peer);

 private:
  // Whether a wait for the peer may keep this core busy.
  bool MaySpin(int peer) const;
  void AwaitCounter(const SharedCounter& counter, std::uint64_t value, int peer);
  void AwaitLong(const SharedCounter& counter, std::uint64_t value, int peer);
  void AwaitPost(std::uint64_t number, Collective collective, int peer);
  const SharedPost& PostOf(int peer, std::uint64_t number) const;
  bool HasPosted(int peer, std::uint64_t number) const;

  void LookAround(int awaited);
  PeerWait CurrentWait(int awaited) const;
  [[noreturn]] void FailWithout(int awaited) const;
  std::optional<int> GoneRank(int awaited) const;
  [[noreturn]] void FailDrifted(const std::string& how) const;

  std::string What() const;
  std::string Name(int rank) const;
  std::string Doing() const;

  std::shared_ptr<SharedSegment> segment_;
  SharedRanks ranks_;
  int size_;
  SharedSegment::Presence presence_;
  std::shared_ptr<PeerProbe> probe_;
  DeadlineBackoff::Cores cores_;
  SpinBudget spin_;  // used where there are cores enough

  PeerCall call_;
  Collective previous_ = Collective::kBarrier;  // and this one: the last two collectives
  Collective collective_ = Collective::kBarrier;
  std::uint64_t number_ = 0;  // of collectives
  std::size_t bytes_ = 0;     // of this rank in the last one
  double deadline_seconds_ = 0;
  bool waited_long_ = false;  // in this collective, so that patience_ counts for it
  double look_again_seconds_ = 0;
  DeadlineBackoff patience_;

  std::vector<Letterbox*> letterboxes_;
  std::vector<std::uint64_t> posted_;  // what each rank is known to have posted
  struct Mapped {
    std::uint64_t piece = 0;
    std::byte* memory = nullptr;
  };
  std::vector<Mapped> mapped_;  // each rank's last piece
};

}  // namespace lockstep
