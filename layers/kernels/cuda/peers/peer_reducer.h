#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "comm/nccl/device_reducer.h"
#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/cuda/peers/peer_group.h"
#include "layers/kernels/cuda/peers/residual_sums.h"
#include "layers/kernels/cuda/peers/sum_limits.h"

namespace lockstep::cuda {

// Small sums through peers' memory, in the order of SumTree(); larger ones by NCCL, or in pieces
// where this module has none or all are to have that order (SummingDevice::add_in_tree). Which way
// a sum takes depends on its size alone. What is said of NcclReducer about waiting and the watch is
// true here, too.
class PeerReducer final : public DeviceReducer, public ResidualSums {
 public:
  // Collective.
  PeerReducer(ControlPlane& group, SummingDevice device, std::unique_ptr<PeerGroup> peers);
  ~PeerReducer() override;

  // Times sums of several sizes by peers' memory and by NCCL, and from then on takes what all ranks
  // together find the quicker. Collective. In a fraction of a second; waits for the device.
  void Tune(CudaStream& stream);

  std::string_view transport() const override { return transport_; }
  void AllReduceSum(const TensorView& x, Stream stream) override;
  // Where all ranks have $LOCKSTEP_PEER_RESIDUAL=on, and for few rows.
  bool SumToResidual(const ResidualNormArgs& args, cudaStream_t stream) override;

 private:
  enum class Way { kPeers, kNccl };

  void SetTransport();
  double SecondsOf(CudaStream& stream, const std::function<void()>& sum);
  Way WayOf(std::int64_t elements) const;
  PeerShots ShotsOf(std::int64_t elements) const;
  void Watch(double waited_seconds);
  std::string WhatTheDeviceSays() const;
  [[noreturn]] void Fail(const std::string& what);

  std::unique_ptr<PeerGroup> peers_;
  std::unique_ptr<DeviceReducer> nccl_;  // null without NCCL
  std::function<void(double)> nccl_watch_;
  SumLimits limits_;
  bool takes_residual_ = false;
  bool tuned_ = false;
  bool failed_ = false;
  std::string transport_;
};

}  // namespace lockstep::cuda
