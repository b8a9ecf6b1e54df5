#pragma once
// One rank's side of a communicator. Used inside an ApiScope; tasks on streams hold it.

#include <nccl.h>

#include <functional>
#include <memory>
#include <string>

#include "nccl_segment.h"
#include "stream.h"

namespace lockstep::cuda_emulation {

struct CollectiveCall {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  const void* send = nullptr;
  void* receive = nullptr;
  std::size_t count = 0;
  ncclDataType_t type = ncclFloat32;
  ncclRedOp_t operation = ncclSum;
  int root = 0;  // of a collective; the peer of a send or receive
  bool in_graph = false;
};

class Communicator {
 public:
  Communicator(std::shared_ptr<Segment> segment, int rank, int size)
      : segment_(std::move(segment)), rank_(rank), size_(size) {}

  // Takes the rank's place; false when another process has it.
  bool Join();
  bool EveryoneJoined() const;
  // Tells the others not to wait for this rank.
  void Leave() { Area(rank_).left.store(1); }

  int rank() const { return rank_; }
  int size() const { return size_; }
  RankArea& Area(int rank) const { return segment_->ranks[rank]; }
  Channel& ChannelBetween(int from, int to) const { return segment_->channels[from][to]; }

  // Collectives of one communicator run one after another, in the order of these tickets.
  std::uint64_t IssueTicket() { return tickets_issued_++; }
  bool IsTurnOf(std::uint64_t ticket) const { return ticket == tickets_done_; }
  void FinishTurn() { ++tickets_done_; }

  // This rank's data of its next step are there; the step's half of the areas.
  void Arrive() { Area(rank_).step.store(++step_, std::memory_order_release); }
  std::size_t NextHalf() const { return (step_ + 1) % 2; }
  std::size_t CurrentHalf() const { return step_ % 2; }
  bool AllArrived() const;
  // Fails the communicator when a rank that this one waits for has ended or left.
  void CheckPeers(const std::string& call);
  // missing is asked once more when the peer is found to be gone.
  void CheckPeer(int rank, const std::string& call, const std::function<bool()>& missing);

  void Fail(ncclResult_t error, const std::string& why);
  ncclResult_t error() const { return error_; }
  const std::string& why() const { return why_; }
  void Abort() { aborted_ = true; }
  // The operation under way can only be given up: after an abort, or a mismatch.
  bool GivenUp() const { return aborted_ || error_ == ncclInvalidUsage; }

  // Sends and receives with one peer keep their order, too.
  struct PeerOrder {
    std::uint64_t issued = 0, done = 0;
  };
  PeerOrder& Sends(int peer) { return sends_[peer]; }
  PeerOrder& Receives(int peer) { return receives_[peer]; }

 private:
  std::shared_ptr<Segment> segment_;
  int rank_, size_;
  std::uint64_t step_ = 0;
  std::uint64_t tickets_issued_ = 0, tickets_done_ = 0;
  PeerOrder sends_[kMaxRanks], receives_[kMaxRanks];
  bool aborted_ = false;
  ncclResult_t error_ = ncclSuccess;
  std::string why_;
};

std::size_t ElementBytes(ncclDataType_t type);  // 0: not emulated
std::string Describe(const Signature& signature);

// Makers of the stream operations that carry out a call.
TaskMaker MakeCollective(std::shared_ptr<Communicator> communicator, const CollectiveCall& call);
TaskMaker MakeSend(std::shared_ptr<Communicator> communicator, const CollectiveCall& call);
TaskMaker MakeReceive(std::shared_ptr<Communicator> communicator, const CollectiveCall& call);

}  // namespace lockstep::cuda_emulation
