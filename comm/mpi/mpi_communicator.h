#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/groups/gather_tree.h"
#include "comm/mpi/mpi_channel.h"
#include "comm/world.h"

namespace lockstep {

// The ranks of MPI's world, or of a part of it. Only point-to-point messages of MPI are used,
// because its own collectives promise neither an order of additions nor the same bits on every
// rank.
//
// All-reduce: ranks exchange with partners at distance 1, 2, 4, … which adds in the order of
// SumTree() on every rank. Short messages go whole, log2(N) exchanges in all; long ones are
// halved at each exchange and collected again on the way back, which moves 2 (N-1)/N of the
// bytes. When N is no power of two, the first N - P pairs add up before and share after.
// Not thread-safe, as ControlPlane and Reducer.
class MpiCommunicator final : public Communicator {
 public:
  struct Parts {
    MpiRanks ranks;
    std::shared_ptr<Deadline> deadline;
    std::size_t max_message_bytes;  // see WorldOptions
    SharedMemory shared_memory;     // what parts of these ranks are to do
    std::shared_ptr<PeerProbe> probe;
  };
  // MPI has been started, and this process is one of the ranks. That of the world leaves MPI when
  // destroyed, unless a collective has failed.
  explicit MpiCommunicator(Parts parts);
  ~MpiCommunicator() override;

  int rank() const override { return channel_.rank(); }
  int size() const override { return channel_.size(); }
  const HostMap& hosts() const override { return channel_.hosts(); }
  std::string_view transport() const override { return "MPI"; }
  const MpiRanks& ranks() const { return channel_.ranks(); }
  SharedMemory shared_memory() const { return shared_memory_; }
  // Asks all ranks where they live. ranks_per_host: see WorldOptions. Collective.
  void LearnHosts(int ranks_per_host);
  // Some of these ranks that go on adding across hosts.
  std::unique_ptr<MpiCommunicator> AcrossHosts(std::span<const int> ranks) const;
  // That of the whole process, for what is built on these ranks.
  const std::shared_ptr<PeerProbe>& probe() const { return channel_.probe(); }
  void set_waiting(Waiting waiting) override;

  void AllReduceSum(const TensorView& x, Stream stream) override;
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override;
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override;
  void Broadcast(Bytes& message) override;
  void Barrier() override;
  std::unique_ptr<Communicator> Split(int color, int key) override;
  [[noreturn]] void Abort(int exit_code) override;
  void AnswerPeers() override { probe()->Answer(); }

 protected:
  void SendTo(int to, std::span<const std::byte> message) override;
  void RecvFrom(int from, Bytes& message) override;

 private:
  void Begin(Collective collective, std::size_t bytes);
  void Finish() { broken_ = false; }

  void SumOverRanks(std::span<float> x);
  void SumWhole(std::span<float> x, int index, int ranks);
  void SumHalves(std::span<float> x, int index, int ranks);
  int RankOf(int index) const;
  void Exchange(int peer, std::span<const float> out, std::span<float> in);
  void PostValuesFrom(int peer, std::span<float> values);
  void PostValuesTo(int peer, std::span<const float> values);
  void ReceiveAndAdd(int peer, std::span<float> x);

  std::vector<Bytes> GatherDirectly(std::span<const std::byte> mine);
  Bytes GatherInTree(std::span<const std::byte> mine);
  void BroadcastFromFirst(Bytes& message);
  void SendMessage(int to, std::span<const std::byte> message);
  void ReceiveMessage(int from, Bytes& message);

  MpiChannel channel_;
  TreePlace tree_;
  std::size_t max_message_bytes_;
  SharedMemory shared_memory_;
  std::unique_ptr<LaneClaim> lane_;  // of a part of the world
  std::vector<float> scratch_;
  bool broken_ = false;  // a collective has begun and not ended
};

}  // namespace lockstep
