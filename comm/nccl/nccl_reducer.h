#pragma once

#include <nccl.h>

#include <string>
#include <string_view>

#include "comm/nccl/device_reducer.h"

namespace lockstep {

// Sums over the devices of all ranks, ordered on the device's stream. A call returns when the sum
// has been enqueued. Whoever waits for the device calls the watch, which sees to it that a peer
// that is dead, hangs, or has drifted into another collective ends the wait within the deadline.
// Not thread-safe, as Reducer.
class NcclReducer final : public DeviceReducer {
 public:
  NcclReducer(ControlPlane& group, SummingDevice device);
  ~NcclReducer() override;

  std::string_view transport() const override { return transport_; }
  void AllReduceSum(const TensorView& x, Stream stream) override;

 private:
  void Join();
  void Settle(ncclResult_t code, const char* call);
  void Watch(double waited_seconds);
  [[noreturn]] void Fail(const std::string& what);

  ncclComm_t comm_ = nullptr;  // null once it is aborted
  std::string transport_;
};

}  // namespace lockstep
