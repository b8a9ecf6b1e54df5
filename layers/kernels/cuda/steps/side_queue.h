#pragma once

#include <cstddef>

#include "core/error.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/device.h"

namespace lockstep::cuda {

// A stream beside a device's own, which takes the room that becomes free before the own one's next
// blocks do: what is put there is short and is waited for.
class CudaSideQueue final : public SideQueue {
 public:
  // The own stream stays the caller's.
  explicit CudaSideQueue(CudaStream& own)
      : own_(own), side_(own.device(), CudaStream::Priority::kHigh) {
    for (cudaEvent_t* event : {&followed_, &marks_[0], &marks_[1]})
      Check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
  ~CudaSideQueue() override {
    for (const cudaEvent_t event : {followed_, marks_[0], marks_[1]})
      static_cast<void>(cudaEventDestroy(event));
  }
  CudaSideQueue(const CudaSideQueue&) = delete;
  CudaSideQueue& operator=(const CudaSideQueue&) = delete;

  Stream stream() const override { return {side_.get()}; }
  void Follow() override {
    Check(cudaEventRecord(followed_, own_.get()), "cudaEventRecord");
    Check(cudaStreamWaitEvent(side_.get(), followed_, 0), "cudaStreamWaitEvent");
  }
  void Mark() override {
    LOCKSTEP_CHECK(marked_ - joined_ < 2, "more than two marks");
    Check(cudaEventRecord(marks_[marked_++ % 2], side_.get()), "cudaEventRecord");
  }
  void Join() override {
    LOCKSTEP_CHECK(marked_ > joined_, "nothing is marked");
    Check(cudaStreamWaitEvent(own_.get(), marks_[joined_++ % 2], 0), "cudaStreamWaitEvent");
  }

 private:
  CudaStream& own_;
  CudaStream side_;
  cudaEvent_t followed_ = nullptr;
  cudaEvent_t marks_[2] = {};
  std::size_t marked_ = 0;
  std::size_t joined_ = 0;
};

}  // namespace lockstep::cuda
