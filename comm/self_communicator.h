#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "comm/communicator.h"

namespace lockstep {

// A group of one process. Its sums and broadcasts leave everything as it is.
// Not thread-safe, as ControlPlane and Reducer.
class SelfCommunicator : public Communicator {
 public:
  // A world of its own.
  SelfCommunicator() = default;
  // A part of a larger group, which outlives it.
  explicit SelfCommunicator(ControlPlane& group) : Communicator(group.deadline()), group_(&group) {}

  int rank() const override { return 0; }
  int size() const override { return 1; }
  const HostMap& hosts() const override { return hosts_; }
  std::string_view transport() const override { return "one rank"; }

  void AllReduceSum(const TensorView& x, Stream stream) override;
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override;
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override;
  void Broadcast(Bytes& message) override;
  void Barrier() override {}
  std::unique_ptr<Communicator> Split(int color, int key) override;
  [[noreturn]] void Abort(int exit_code) override;

 protected:
  void SendTo(int to, std::span<const std::byte> message) override;
  void RecvFrom(int from, Bytes& message) override;

 private:
  HostMap hosts_{{ThisHost()}};
  ControlPlane* group_ = nullptr;
};

}  // namespace lockstep
