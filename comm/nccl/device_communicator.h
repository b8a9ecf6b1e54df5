#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/communicator.h"

namespace lockstep {

// What the sums of a device need of it.
struct SummingDevice {
  std::function<Tensor(Shape)> allocate;  // fp32, in the device's memory
  std::function<void(std::function<void(double waited_seconds)>)>
      set_liveness_check;                 // CudaStream's
  std::function<std::string()> activity;  // core/activity.h
  std::function<void()> forget_steps;     // recorded ones hold on to NCCL
};

// A world whose sums lie in the memory of devices. Everything else goes through the world, which
// is borrowed. By itself it is a world of one rank, whose sums are what they were.
// Not thread-safe, as Communicator.
class DeviceCommunicator : public Communicator {
 public:
  DeviceCommunicator(Communicator& world, SummingDevice device)
      : world_(world), device_(std::move(device)) {}

  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }
  std::string host(int rank) const override { return world_.host(rank); }
  std::string_view transport() const override { return "one device"; }
  void set_waiting(Waiting waiting) override { world_.set_waiting(waiting); }

  void AllReduceSum(const TensorView& x, Stream stream) override;
  // In the device's memory, against the interface's rule for hosts.
  Tensor AllocateReducible(Shape shape) override { return device_.allocate(shape); }

  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override {
    return world_.AllGather(mine);
  }
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override {
    return world_.Gather(mine);
  }
  void Broadcast(Bytes& message) override { world_.Broadcast(message); }
  void Barrier() override { world_.Barrier(); }
  [[noreturn]] void Abort(int exit_code) override;

 protected:
  // Who is missing, or which ranks are not at the same all-reduce: when a sum has failed, the world
  // finds out, within a few seconds. elements: of the last sum.
  std::string ProbePeers(std::int64_t elements);

  Communicator& world_;
  SummingDevice device_;
};

// Over NCCL, each rank with a device of its own, the current one of the calling thread. Collective.
// Throws EnvironmentError where this module was built without NCCL, or CollectiveError.
std::unique_ptr<Communicator> MakeNcclCommunicator(Communicator& world, SummingDevice device);
// Whether this module was built with NCCL.
bool HasNccl();

}  // namespace lockstep
