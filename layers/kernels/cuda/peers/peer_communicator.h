#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "comm/nccl/device_communicator.h"
#include "layers/kernels/cuda/peers/peer_group.h"

namespace lockstep::cuda {

// Small sums through peers' memory, in the order of SumTree(); larger ones by NCCL, or where this
// module has none in pieces. Which way a sum takes depends on its size alone. What is said of
// NcclCommunicator about waiting and the watch is true here, too.
class PeerCommunicator final : public DeviceCommunicator {
 public:
  // Collective.
  PeerCommunicator(Communicator& world, SummingDevice device, std::unique_ptr<PeerGroup> group);
  ~PeerCommunicator() override;

  std::string_view transport() const override { return transport_; }
  void AllReduceSum(const TensorView& x, Stream stream) override;
  void CountReplayed(std::int64_t all_reduces, std::int64_t elements) override;

 private:
  enum class Way { kNone, kPeers, kNccl };

  Way WayOf(std::int64_t elements) const;
  void Watch(double waited_seconds);
  std::string WhatTheDeviceSays() const;
  [[noreturn]] void Fail(const std::string& what);

  std::unique_ptr<PeerGroup> group_;
  std::unique_ptr<Communicator> nccl_;  // null without NCCL
  std::function<void(double)> nccl_watch_;
  Way last_way_ = Way::kNone;
  std::int64_t last_elements_ = 0;
  bool failed_ = false;
  std::string transport_;
};

}  // namespace lockstep::cuda
