#pragma once

#include <nccl.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "comm/nccl/device_reducer.h"
#include "comm/peers/call_watch.h"

namespace lockstep {

// Sums over the devices of all ranks, ordered on the device's stream, by NCCL or in the order of
// SumTree() (SummingDevice::add_in_tree). A call returns when the sum has been enqueued; one that
// waits for a peer (NCCL connects ranks when they first add) is ended at the deadline. Whoever
// waits for the device calls the watch, which sees to it that a peer that is dead, hangs, or has
// drifted into another collective ends the wait within the deadline.
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
  // In the order of SumTree(), in pieces that `gathered_` has room for.
  void SumInTree(float* values, std::int64_t count, Stream stream);
  // Every rank gathers all that every rank has, and adds it: one exchange.
  void GatherAndAdd(float* values, std::int64_t count, Stream stream);
  // Every rank gathers a slice of what every rank has, adds it, and sends the sums to all: two
  // exchanges, but each value travels twice and not to every rank.
  void AddSlices(float* values, std::int64_t count, Stream stream);
  // As one operation: each rank sends `mine[r]` to every other rank r and receives `theirs[r]`.
  struct Values {
    float* first;
    std::int64_t count;
  };
  void Exchange(const std::vector<Values>& mine, const std::vector<Values>& theirs, Stream stream);
  void Watch(double waited_seconds);
  [[noreturn]] void Fail(const std::string& what);

  ncclComm_t comm_ = nullptr;  // null once it is aborted
  Tensor gathered_;            // values of a piece, of all ranks; empty where NCCL adds
  std::string transport_;
  CallWatch calls_{[this] { static_cast<void>(ncclCommAbort(comm_)); }};
};

}  // namespace lockstep
