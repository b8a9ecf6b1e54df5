#pragma once

#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/device.h"

namespace lockstep::cuda {

// A GPU's memory and the stream that its work goes to, for use by the thread that makes it. Only
// Download() and Synchronize() wait. Throws Error(kEnvironment).
class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int device) : stream_(device), upload_(stream_), download_(stream_) {}

  CudaStream& cuda_stream() { return stream_; }
  // So that no transfer allocates.
  void ReserveStaging();

  Stream stream() const override { return {stream_.get()}; }
  void Synchronize() override { stream_.Wait(); }
  Tensor Allocate(DType dtype, Shape shape) override { return DeviceTensor(dtype, shape); }
  void Upload(const TensorView& host, const TensorView& device) override;
  void Download(const TensorView& device, const TensorView& host) override;
  void Copy(const TensorView& from, const TensorView& to) override;
  std::unique_ptr<SideQueue> MakeSideQueue() override;

 private:
  CudaStream stream_;
  PinnedTurns upload_;
  PinnedTurns download_;
};

}  // namespace lockstep::cuda
