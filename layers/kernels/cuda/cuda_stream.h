#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "core/numbers/tensor.h"

namespace lockstep::cuda {

// How long the host sleeps until it looks at the device again: it has waited so long, and the wait
// before lasted so long. It learns of the end a hundredth of the wait late, and its core is free
// for most of the time.
double NapSeconds(double waited, double last_wait);

// The queue of a rank's work on its device. Waiting is looking now and then, so that a collective
// that will not be completed because a peer is gone ends the wait and not the other way round.
class CudaStream {
 public:
  // Of what is ready to run, streams of high priority are given room first.
  enum class Priority : std::uint8_t { kUsual, kHigh };
  explicit CudaStream(int device, Priority priority = Priority::kUsual);
  ~CudaStream();
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  cudaStream_t get() const { return stream_; }
  int device() const { return device_; }

  // Called again and again while a wait lasts, with how long it has lasted, once after a failure of
  // the device, and once, with 0 seconds, when a wait has ended well. It throws when what is waited
  // for will not come, because a peer is gone.
  using Watch = std::function<void(double waited_seconds)>;
  void set_liveness_check(Watch watch) { watch_ = std::move(watch); }

  // Until all work so far is done. Throws what the watch throws, or Error(kEnvironment).
  void Wait();
  // Until this event has happened, whose record was enqueued here.
  void WaitFor(cudaEvent_t event);

 private:
  template <typename Query>
  void Poll(const Query& query, const char* call);

  int device_;
  cudaStream_t stream_ = nullptr;
  double last_wait_ = 0;  // seconds
  Watch watch_;
};

// Memory of the current device, uninitialised. Freeing it waits for the device.
Tensor DeviceTensor(DType dtype, Shape shape);

// How many pieces of memory have been freed in this process. What refers to memory of the device,
// as graphs do, may be used as long as this number is the same.
std::uint64_t FreedDeviceMemory();

// Scratch memory of the device that grows to the largest size that was asked for.
class Scratch {
 public:
  // Valid until the next call of the same object.
  void* Get(std::size_t bytes, CudaStream& stream);

 private:
  std::shared_ptr<void> memory_;
  std::size_t bytes_ = 0;
};

// Page-locked host memory that takes turns: what the device has not read yet is not overwritten.
class PinnedTurns {
 public:
  explicit PinnedTurns(CudaStream& stream) : stream_(stream) {}
  ~PinnedTurns();
  PinnedTurns(const PinnedTurns&) = delete;
  PinnedTurns& operator=(const PinnedTurns&) = delete;

  // At least so many bytes to write to, or to have written by the device. Waits where the turn
  // before last is still in use.
  void* Take(std::size_t bytes);
  // So that no Take() of so many bytes allocates.
  void Reserve(std::size_t bytes);
  // What was enqueued so far is all that uses the memory of the last Take().
  void Enqueued();
  // Until that has been done. Later work is not waited for.
  void WaitForTurn();

 private:
  struct Turn {
    void* memory = nullptr;
    std::size_t bytes = 0;
    cudaEvent_t done = nullptr;
    bool in_use = false;
  };

  CudaStream& stream_;
  Turn turns_[2];
  int current_ = 0;
};

// Values of fp32; null for a view of nothing.
inline const float* Floats(const TensorView& view) {
  return view.raw() == nullptr ? nullptr : view.data<float>();
}

}  // namespace lockstep::cuda
