#include "layers/kernels/cuda/cuda_device.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/steps/side_queue.h"

namespace lockstep::cuda {
namespace {

// Weights are copied in pieces: while one is on its way the next is staged.
constexpr std::size_t kPieceBytes = std::size_t{8} << 20;

}  // namespace

void CudaDevice::ReserveStaging() {
  upload_.Reserve(kPieceBytes);
  download_.Reserve(kPieceBytes);
}

void CudaDevice::Upload(const TensorView& host, const TensorView& device) {
  LOCKSTEP_CHECK(host.dtype() == device.dtype() && host.elements() == device.elements(), "{} to {}",
                 host.shape().ToString(), device.shape().ToString());
  for (std::size_t at = 0; at < host.bytes(); at += kPieceBytes) {
    const std::size_t bytes = std::min(kPieceBytes, host.bytes() - at);
    void* staged = upload_.Take(kPieceBytes);
    std::memcpy(staged, static_cast<const std::byte*>(host.raw()) + at, bytes);
    Check(cudaMemcpyAsync(static_cast<std::byte*>(device.raw()) + at, staged, bytes,
                          cudaMemcpyHostToDevice, stream_.get()),
          "cudaMemcpyAsync");
    upload_.Enqueued();
  }
}

void CudaDevice::Copy(const TensorView& from, const TensorView& to) {
  LOCKSTEP_CHECK(from.dtype() == to.dtype() && from.elements() == to.elements(), "{} to {}",
                 from.shape().ToString(), to.shape().ToString());
  Check(
      cudaMemcpyAsync(to.raw(), from.raw(), from.bytes(), cudaMemcpyDeviceToDevice, stream_.get()),
      "cudaMemcpyAsync");
}

void CudaDevice::Download(const TensorView& device, const TensorView& host) {
  LOCKSTEP_CHECK(host.dtype() == device.dtype() && host.elements() == device.elements(), "{} to {}",
                 device.shape().ToString(), host.shape().ToString());
  for (std::size_t at = 0; at < host.bytes(); at += kPieceBytes) {
    const std::size_t bytes = std::min(kPieceBytes, host.bytes() - at);
    void* staged = download_.Take(bytes);
    Check(cudaMemcpyAsync(staged, static_cast<const std::byte*>(device.raw()) + at, bytes,
                          cudaMemcpyDeviceToHost, stream_.get()),
          "cudaMemcpyAsync");
    download_.Enqueued();
    download_.WaitForTurn();
    std::memcpy(static_cast<std::byte*>(host.raw()) + at, staged, bytes);
  }
}

std::unique_ptr<SideQueue> CudaDevice::MakeSideQueue() {
  return std::make_unique<CudaSideQueue>(stream_);
}

}  // namespace lockstep::cuda
