#pragma once

#include <nccl.h>

#include <functional>
#include <string>
#include <string_view>

#include "comm/nccl/call_watch.h"
#include "comm/nccl/device_reducer.h"

namespace lockstep {

// Sums over the devices of all ranks, ordered on the device's stream. A call returns when the sum
// has been enqueued; one that waits for a peer (NCCL connects ranks when they first add) is ended
// at the deadline. Whoever waits for the device calls the watch, which sees to it that a peer that
// is dead, hangs, or has drifted into another collective ends the wait within the deadline.
//
// The communicator is a blocking one: NCCL starts a thread for every call of one that is not.
// Not thread-safe, as Reducer.
class NcclReducer final : public DeviceReducer {
 public:
  NcclReducer(ControlPlane& group, SummingDevice device);
  ~NcclReducer() override;

  std::string_view transport() const override { return transport_; }
  void AllReduceSum(const TensorView& x, Stream stream) override;

 private:
  void Join();
  // Throws unless it succeeds within the deadline.
  void Call(const char* name, const std::function<ncclResult_t()>& call);
  void Leave();
  void Watch(double waited_seconds);
  [[noreturn]] void Fail(const std::string& what);

  ncclComm_t comm_ = nullptr;  // null once it is aborted
  std::string transport_;
  CallWatch calls_{[this] { static_cast<void>(ncclCommAbort(comm_)); }};
};

}  // namespace lockstep
