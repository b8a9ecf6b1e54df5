#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/collective.h"
#include "comm/deadline_backoff.h"
#include "comm/mpi/mpi_ranks.h"
#include "comm/peers/peer_probe.h"
#include "core/error.h"

namespace lockstep {

// Point-to-point messages for the collectives, all with the deadline of the collective they
// belong to. Sends and receives are posted, then Wait() completes them together:
//   channel.Begin(Collective::kGather, bytes, deadline);
//   channel.PostReceive(peer, buffer); channel.PostSend(peer, data); channel.Wait();
// Buffers belong to the caller and stay untouched until Wait() returns. Every method throws what
// ControlPlane documents; after that the channel is unusable.
//
// Before a deadline passes the probe asks around, so the message names the ranks that are really
// absent, not the neighbour that waits for them.
// Not thread-safe: the communicator's thread.
class MpiChannel {
 public:
  // This process is one of the ranks. Messages name ranks as the world knows them.
  MpiChannel(MpiRanks ranks, std::size_t max_message_bytes, std::shared_ptr<PeerProbe> probe);

  int rank() const { return rank_; }
  int size() const { return ranks_.size(); }
  const MpiRanks& ranks() const { return ranks_; }
  const HostMap& hosts() const { return ranks_.hosts; }
  const std::shared_ptr<PeerProbe>& probe() const { return probe_; }
  // Learnt after the first messages.
  void set_hosts(HostMap hosts);
  // Whether a waiting rank may keep its core busy for a while.
  void set_cores(DeadlineBackoff::Cores cores) { cores_ = cores; }

  void Begin(Collective collective, std::size_t bytes, double deadline_seconds);
  // The same for a message between this rank and a peer: kSend or kReceive.
  void BeginMessage(const PeerCall& call, double deadline_seconds);
  void PostSend(int to, std::span<const std::byte> message);
  // At most max_message_bytes; is complete when the receiver has begun to take it.
  void PostSendToReceiver(int to, std::span<const std::byte> message);
  void PostReceive(int from, std::span<std::byte> message);
  // The message may be shorter than the buffer. At most max_message_bytes.
  void PostReceiveUpTo(int from, std::span<std::byte> buffer);
  void Wait();
  // Before several messages to it: Open MPI is not to use a connection again that has broken.
  void RefuseIfGone(int peer);

 private:
  struct Pending {
    int peer;
    std::size_t bytes;
    enum class Kind { kSend, kSendToReceiver, kReceive, kReceiveUpTo } kind;
  };

  static bool Receives(Pending::Kind kind);
  void Post(const Pending& what, std::byte* data);
  bool Poll();
  void CancelReceives();
  void CheckCompletion(const Pending& what, MPI_Status& status) const;
  void Check(int code, int peer) const;

  int Tag() const { return TagOf(ranks_.lane, call_.collective, call_.number); }
  int WorldRank(int rank) const { return ranks_.numbers[static_cast<std::size_t>(rank)]; }
  void LookAround();
  void LookForTheGone();
  [[noreturn]] void ThrowEnded(int rank) const;
  PeerWait CurrentWait() const;

  std::string What() const;          // "all-reduce of 4096 bytes (collective 17)"
  std::string Name(int rank) const;  // "rank 1 on node7"
  std::string Doing() const;         // " (rank 0 on node6, while decoding)"

  MpiRanks ranks_;
  std::size_t max_message_bytes_;
  int rank_;
  DeadlineBackoff::Cores cores_ = DeadlineBackoff::Cores::kShared;

  PeerCall call_;
  std::uint64_t collectives_ = 0;
  std::vector<std::uint64_t> sent_;      // messages to each rank
  std::vector<std::uint64_t> received_;  // and from each
  DeadlineBackoff patience_;
  double look_again_seconds_ = 0;  // of patience_

  std::vector<MPI_Request> requests_;
  std::vector<Pending> pending_;  // beside requests_
  std::vector<int> done_;
  std::vector<MPI_Status> statuses_;
  std::size_t open_ = 0;

  std::shared_ptr<PeerProbe> probe_;
};

}  // namespace lockstep
