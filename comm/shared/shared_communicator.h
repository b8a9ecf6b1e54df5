#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "comm/shared/shared_arena.h"
#include "comm/shared/shared_channel.h"
#include "comm/shared/shared_messages.h"

namespace lockstep {

// The ranks of one host, through memory that they share.
//
// All-reduce: each rank adds one slice of everybody's values and writes the sums to everybody,
// in place where the values lie in the segment already (AllocateReducible()); other memory is
// copied there and back. Short ones are copied to the letterboxes, and every rank adds all of
// them: one wait for the peers instead of two. Other messages are copied out of the letterboxes,
// or, when they are long, out of the sender's arena.
// Not thread-safe, as ControlPlane and Reducer; memory from AllocateReducible() may be freed by any
// thread.
class SharedCommunicator final : public Communicator {
 public:
  struct Parts {
    std::shared_ptr<SharedSegment> segment;
    SharedRanks ranks;
    std::shared_ptr<Deadline> deadline = std::make_shared<Deadline>();
    // Where there are more hosts of as many ranks, those with this one's place on each of them:
    // they go on adding what this host's ranks have added. Not owned.
    Reducer* across = nullptr;
    std::shared_ptr<PeerProbe> probe = nullptr;  // null: nobody can be asked
  };
  explicit SharedCommunicator(Parts parts);
  ~SharedCommunicator() override;

  // The same ranks over MPI, which they have come from: it makes their parts, Abort() ends its
  // world, and it is left in the end.
  void set_world(std::unique_ptr<Communicator> world) { world_ = std::move(world); }

  int rank() const override { return channel_.rank(); }
  int size() const override { return channel_.size(); }
  const HostMap& hosts() const override { return channel_.hosts(); }
  std::string_view transport() const override { return "shared memory"; }
  void set_waiting(Waiting waiting) override;

  void AllReduceSum(const TensorView& x, Stream stream) override;
  Tensor AllocateReducible(Shape shape) override;
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override;
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override;
  void Broadcast(Bytes& message) override;
  void Barrier() override;
  std::unique_ptr<Communicator> Split(int color, int key) override;
  [[noreturn]] void Abort(int exit_code) override;
  void AnswerPeers() override { channel_.probe().Answer(); }

 protected:
  void SendTo(int to, std::span<const std::byte> message) override;
  void RecvFrom(int from, Bytes& message) override;

 private:
  void Begin(Collective collective, std::size_t bytes);
  void Finish() { broken_ = false; }

  void SumWhole(std::span<float> x);
  void SumSlices(std::span<float> x);
  void SumMySlice(std::size_t count);
  SharedPlace Stage(std::span<const float> x);

  void PostMessage(std::span<const std::byte> message);
  Bytes ReceiveMessage(int from);

  std::unique_ptr<Communicator> world_;  // left after everything here is gone
  Reducer* across_;
  SharedChannel channel_;
  std::shared_ptr<SharedArena> arena_;
  SharedMessages messages_;
  std::shared_ptr<void> staging_;
  std::size_t staging_bytes_ = 0;
  std::shared_ptr<void> long_messages_[2];  // of the last two collectives
  std::vector<const float*> values_;
  std::vector<float*> sums_;
  bool broken_ = false;  // a collective has begun and not ended
};

}  // namespace lockstep
