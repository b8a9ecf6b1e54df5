#pragma once

#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/cuda_linear.h"
#include "layers/kernels/cuda/cuda_stream.h"

namespace lockstep::cuda {

// A stream beside the device's own: work that goes there begins after what is on the own one, and
// comes back to it.
class SideStream {
 public:
  explicit SideStream(int device) : stream_(device) {
    for (cudaEvent_t& event : events_)
      Check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
  ~SideStream() {
    for (const cudaEvent_t event : events_) static_cast<void>(cudaEventDestroy(event));
  }
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;

  CudaStream& stream() { return stream_; }
  void ForkFrom(CudaStream& own) { Order(own, stream_, events_[0]); }
  void JoinTo(CudaStream& own) { Order(stream_, own, events_[1]); }

 private:
  static void Order(CudaStream& before, CudaStream& after, cudaEvent_t event) {
    Check(cudaEventRecord(event, before.get()), "cudaEventRecord");
    Check(cudaStreamWaitEvent(after.get(), event, 0), "cudaStreamWaitEvent");
  }

  CudaStream stream_;
  cudaEvent_t events_[2] = {};
};

// Products go to another lane for as long as it lives.
class LaneScope {
 public:
  LaneScope(LinearLane*& current, LinearLane& lane) : current_(current), before_(current) {
    current = &lane;
  }
  ~LaneScope() { current_ = before_; }
  LaneScope(const LaneScope&) = delete;
  LaneScope& operator=(const LaneScope&) = delete;

 private:
  LinearLane*& current_;
  LinearLane* before_;
};

}  // namespace lockstep::cuda
