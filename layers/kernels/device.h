#pragma once

#include <memory>

#include "core/numbers/tensor.h"

namespace lockstep {

// A queue of work beside a device's stream, for what may run while that goes on.
// Not thread-safe, as the device.
class SideQueue {
 public:
  virtual ~SideQueue() = default;

  virtual Stream stream() const = 0;
  // What is put on it from here on begins after all that is on the device's stream so far.
  virtual void Follow() = 0;
  // Remembers this place of the queue; of at most two at a time.
  virtual void Mark() = 0;
  // What is put on the device's stream from here on begins after what was before the first of the
  // marks, which is forgotten.
  virtual void Join() = 0;
};

// The memory of what computes, and the stream that its work is ordered on. Operations (ops.h) are
// enqueued there and may return before they are done; Synchronize(), Download() and what reads
// rows of logits wait.
// Not thread-safe, as everything of a backend: the thread that has made it.
class Device {
 public:
  virtual ~Device() = default;

  // Null for what computes in the calling thread.
  virtual Stream stream() const = 0;
  // Until everything that has been enqueued is done.
  virtual void Synchronize() = 0;

  // Memory of the device, uninitialised.
  virtual Tensor Allocate(DType dtype, Shape shape) = 0;
  // Between host tensors and this device's, of one dtype and size. The host's are free afterwards.
  virtual void Upload(const TensorView& host, const TensorView& device) = 0;
  virtual void Download(const TensorView& device, const TensorView& host) = 0;
  // Between tensors of this device, of one dtype and size, that do not overlap.
  virtual void Copy(const TensorView& from, const TensorView& to) = 0;

  // Null for what computes in the calling thread. It is gone before the device is.
  virtual std::unique_ptr<SideQueue> MakeSideQueue() { return nullptr; }
};

}  // namespace lockstep
