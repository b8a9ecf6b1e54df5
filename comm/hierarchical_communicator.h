#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "comm/shared/shared_communicator.h"

namespace lockstep {

// Ranks on several hosts whose sums nest (comm/groups/hosts.h). Sums are made within each host in
// shared memory, a slice by each rank, then each slice by the ranks that have it on their hosts;
// that is the order of SumTree() over all ranks. Everything else goes through the world. Not
// thread-safe, as ControlPlane and Reducer.
class HierarchicalCommunicator final : public Communicator {
 public:
  struct Parts {
    std::unique_ptr<Communicator> world;
    std::unique_ptr<Communicator> across;       // the ranks of this one's place on their hosts
    std::unique_ptr<SharedCommunicator> local;  // goes on with `across`
  };
  explicit HierarchicalCommunicator(Parts parts);
  ~HierarchicalCommunicator() override;

  int rank() const override { return parts_.world->rank(); }
  int size() const override { return parts_.world->size(); }
  const HostMap& hosts() const override { return parts_.world->hosts(); }
  std::string_view transport() const override { return "shared memory, MPI between hosts"; }
  void set_waiting(Waiting waiting) override;

  void AllReduceSum(const TensorView& x, Stream stream) override;
  Tensor AllocateReducible(Shape shape) override { return parts_.local->AllocateReducible(shape); }
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override;
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override;
  void Broadcast(Bytes& message) override;
  void Barrier() override;
  std::unique_ptr<Communicator> Split(int color, int key) override;
  [[noreturn]] void Abort(int exit_code) override;
  void AnswerPeers() override { parts_.world->AnswerPeers(); }

 protected:
  void SendTo(int to, std::span<const std::byte> message) override;
  void RecvFrom(int from, Bytes& message) override;

 private:
  Parts parts_;
  bool broken_ = false;  // an all-reduce has begun and not ended
};

}  // namespace lockstep
