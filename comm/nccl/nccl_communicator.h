#pragma once

#include <nccl.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "comm/nccl/device_communicator.h"

namespace lockstep {

// Sums over the devices of all ranks, ordered on the device's stream. A call returns when the sum
// has been enqueued. Whoever waits for the device calls the watch, which sees to it that a peer
// that is dead, hangs, or has drifted into another collective ends the wait within the deadline.
// Not thread-safe, as Communicator.
class NcclCommunicator final : public DeviceCommunicator {
 public:
  NcclCommunicator(Communicator& world, SummingDevice device);
  ~NcclCommunicator() override;

  std::string_view transport() const override { return transport_; }
  void AllReduceSum(const TensorView& x, Stream stream) override;
  void CountReplayed(std::int64_t all_reduces, std::int64_t elements) override;

 private:
  void Join();
  void Settle(ncclResult_t code, const char* call);
  void Watch(double waited_seconds);
  [[noreturn]] void Fail(const std::string& what);

  ncclComm_t comm_ = nullptr;  // null once it is aborted
  std::int64_t last_elements_ = 0;
  std::string transport_;
};

}  // namespace lockstep
