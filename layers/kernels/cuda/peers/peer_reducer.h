#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "comm/nccl/device_reducer.h"
#include "layers/kernels/cuda/peers/peer_group.h"

namespace lockstep::cuda {

// Small sums through peers' memory, in the order of SumTree(); larger ones by NCCL, or where this
// module has none in pieces. Which way a sum takes depends on its size alone. What is said of
// NcclReducer about waiting and the watch is true here, too.
class PeerReducer final : public DeviceReducer {
 public:
  // Collective.
  PeerReducer(ControlPlane& group, SummingDevice device, std::unique_ptr<PeerGroup> peers);
  ~PeerReducer() override;

  std::string_view transport() const override { return transport_; }
  void AllReduceSum(const TensorView& x, Stream stream) override;

 private:
  enum class Way { kPeers, kNccl };

  Way WayOf(std::int64_t elements) const;
  void Watch(double waited_seconds);
  std::string WhatTheDeviceSays() const;
  [[noreturn]] void Fail(const std::string& what);

  std::unique_ptr<PeerGroup> peers_;
  std::unique_ptr<DeviceReducer> nccl_;  // null without NCCL
  std::function<void(double)> nccl_watch_;
  bool failed_ = false;
  std::string transport_;
};

}  // namespace lockstep::cuda
