#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "comm/control_plane.h"
#include "comm/reducer.h"

namespace lockstep {

// One value of each rank for each of `count` sums.
struct GatheredValues {
  const float* values = nullptr;  // [ranks, count]
  int ranks = 1;
  std::int64_t count = 0;
};

// What the sums of a device need of it.
struct SummingDevice {
  std::function<Tensor(Shape)> allocate;  // fp32, in the device's memory
  std::function<void(std::function<void(double waited_seconds)>)>
      set_liveness_check;                 // CudaStream's
  std::function<std::string()> activity;  // core/activity.h
  std::function<void()> forget_steps;     // recorded ones hold on to NCCL
  // While a step is recorded: what is to be done on the host as well whenever it is replayed.
  std::function<void(std::function<void()>)> repeat_at_replay;
  // Enqueues sums[i] = the sum of value i of all ranks, in the order of SumTree(). Where it is
  // given, all sums have that order, whatever their size; else those of NCCL have its own.
  std::function<void(const GatheredValues& of, float* sums, Stream stream)> add_in_tree = {};
  // Enqueues a copy within the device; given where add_in_tree is.
  std::function<void(const float* from, float* to, std::int64_t count, Stream stream)> copy = {};
};

// Sums that lie in the memory of devices. The ranks that make them talk through `group`, which is
// borrowed. By itself it is for a group of one rank, whose sums are what they were.
// Not thread-safe, as Reducer.
class DeviceReducer : public Reducer {
 public:
  DeviceReducer(ControlPlane& group, SummingDevice device)
      : group_(group), device_(std::move(device)) {}
  // Steps that have been recorded with its sums are of no use any more.
  ~DeviceReducer() override { device_.forget_steps(); }
  DeviceReducer(const DeviceReducer&) = delete;
  DeviceReducer& operator=(const DeviceReducer&) = delete;

  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }
  std::string_view transport() const override { return "one device"; }

  void AllReduceSum(const TensorView& x, Stream stream) override;
  Tensor AllocateReducible(Shape shape) override { return device_.allocate(shape); }

  // Sums so far were to try something out: they are not counted.
  void CountFromHere() {
    all_reduce_count_ = 0;
    last_elements_ = 0;
  }

 protected:
  // Notes that a sum of so many values is enqueued, now and whenever its step is replayed.
  void CountSum(std::int64_t elements);
  // Of the sum that was enqueued last.
  std::int64_t last_elements() const { return last_elements_; }
  // Who is missing, or which ranks are not at the same all-reduce: when a sum has failed, the group
  // finds out, within a few seconds.
  std::string ProbePeers();
  std::string host(int rank) const { return group_.host(rank); }

  ControlPlane& group_;
  SummingDevice device_;

 private:
  std::int64_t last_elements_ = 0;
};

// Over NCCL, each rank with a device of its own, the current one of the calling thread. Collective.
// Throws EnvironmentError where this module was built without NCCL, or CollectiveError.
std::unique_ptr<DeviceReducer> MakeNcclReducer(ControlPlane& group, SummingDevice device);
// Whether this module was built with NCCL.
bool HasNccl();

}  // namespace lockstep
