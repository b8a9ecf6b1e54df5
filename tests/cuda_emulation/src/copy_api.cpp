// Copies and fills.

#include <cuda_runtime.h>

#include <cstring>

#include "capture.h"
#include "device_memory.h"
#include "runtime_state.h"
#include "stream.h"

using namespace lockstep::cuda_emulation;

namespace {

// Rows of width bytes; a plain copy has one row.
struct Copy {
  char* to = nullptr;
  const char* from = nullptr;
  std::size_t width = 0, rows = 1, to_pitch = 0, from_pitch = 0;
};

enum class CopyMode { kBlocking, kAsync };

Copy PlainCopy(void* to, const void* from, std::size_t bytes) {
  return {static_cast<char*>(to), static_cast<const char*>(from), bytes, 1, bytes, bytes};
}

std::size_t SpanBytes(const Copy& copy, std::size_t pitch) {
  return (copy.rows - 1) * pitch + copy.width;
}

cudaMemcpyKind KindOf(bool from_device, bool to_device) {
  if (from_device) return to_device ? cudaMemcpyDeviceToDevice : cudaMemcpyDeviceToHost;
  return to_device ? cudaMemcpyHostToDevice : cudaMemcpyHostToHost;
}

// Why one end of a copy is wrong, or "".
std::string EndProblem(const void* p, std::size_t bytes, bool on_device, CopyMode mode) {
  if (on_device && !WithinAllocation(p, bytes)) {
    return std::to_string(bytes) + " bytes leave their device allocation";
  }
  if (!on_device && mode == CopyMode::kAsync && !WithinAllocation(p, bytes)) {
    return "the host memory is not pinned: a real device would copy it synchronously, or late";
  }
  return "";
}

cudaError_t CheckCopy(const Copy& copy, cudaMemcpyKind kind, CopyMode mode) {
  const bool from_device = OnDevice(copy.from), to_device = OnDevice(copy.to);
  if (kind != cudaMemcpyDefault && kind != KindOf(from_device, to_device)) {
    return Refuse(cudaErrorInvalidValue, "copy: the pointers do not fit the direction");
  }
  if (copy.to_pitch < copy.width || copy.from_pitch < copy.width) {
    return Refuse(cudaErrorInvalidPitchValue, "copy: rows are wider than the pitch");
  }
  for (const std::string& problem :
       {EndProblem(copy.from, SpanBytes(copy, copy.from_pitch), from_device, mode),
        EndProblem(copy.to, SpanBytes(copy, copy.to_pitch), to_device, mode)}) {
    if (!problem.empty()) return Refuse(cudaErrorInvalidValue, "copy: " + problem);
  }
  return cudaSuccess;
}

// An allocation may be freed between a copy's queuing and its turn.
bool StillLive(const void* p, std::size_t bytes, bool on_device) {
  if (!on_device || WithinAllocation(p, bytes)) return true;
  Fault(cudaErrorIllegalAddress, "copy: device memory was freed before the copy ran");
  return false;
}

void RunCopy(const Copy& copy) {
  const DeviceAccess access;
  for (std::size_t row = 0; row < copy.rows; ++row) {
    const char* from = copy.from + row * copy.from_pitch;
    char* to = copy.to + row * copy.to_pitch;
    {
      const tsan::WatchScope watch;
      tsan::Read(from, copy.width);
      tsan::Write(to, copy.width);
    }
    std::memmove(to, from, copy.width);
  }
  ++statistics().copies;
}

cudaError_t CopyAsync(const Copy& copy, cudaMemcpyKind kind, cudaStream_t stream) {
  if (copy.width == 0 || copy.rows == 0) return Return(cudaSuccess);
  if (const cudaError_t error = CheckCopy(copy, kind, CopyMode::kAsync)) return error;
  const bool from_device = OnDevice(copy.from), to_device = OnDevice(copy.to);
  return Enqueue(stream, "copy", Once([=] {
                   if (StillLive(copy.from, SpanBytes(copy, copy.from_pitch), from_device) &&
                       StillLive(copy.to, SpanBytes(copy, copy.to_pitch), to_device)) {
                     RunCopy(copy);
                   }
                 }));
}

// Waits for the legacy default stream, as cudaMemcpy does, then copies.
cudaError_t CopyNow(const Copy& copy, cudaMemcpyKind kind) {
  if (InvalidatesCapture("cudaMemcpy")) return Return(cudaErrorStreamCaptureImplicit);
  WaitForBlockingStreams();
  if (copy.width == 0 || copy.rows == 0) return Return(cudaSuccess);
  if (const cudaError_t error = CheckCopy(copy, kind, CopyMode::kBlocking)) return error;
  if (StickyError() == cudaSuccess) RunCopy(copy);
  return Return(cudaSuccess);
}

}  // namespace

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const ApiScope scope;
  return CopyAsync(PlainCopy(to, from, bytes), kind, stream);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, std::size_t bytes,
                                cudaStream_t stream) {
  const ApiScope scope;
  return CopyAsync(PlainCopy(to, from, bytes), cudaMemcpyDeviceToDevice, stream);
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t rows,
                              cudaMemcpyKind kind, cudaStream_t stream) {
  const ApiScope scope;
  const Copy copy{
      static_cast<char*>(to), static_cast<const char*>(from), width, rows, to_pitch, from_pitch};
  return CopyAsync(copy, kind, stream);
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const ApiScope scope;
  return CopyNow(PlainCopy(to, from, bytes), kind);
}

cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                         std::size_t width, std::size_t rows, cudaMemcpyKind kind) {
  const ApiScope scope;
  const Copy copy{
      static_cast<char*>(to), static_cast<const char*>(from), width, rows, to_pitch, from_pitch};
  return CopyNow(copy, kind);
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  const ApiScope scope;
  if (bytes == 0) return Return(cudaSuccess);
  if (!WithinAllocation(to, bytes)) {
    return Refuse(cudaErrorInvalidValue,
                  "fill: " + std::to_string(bytes) + " bytes leave their allocation");
  }
  return Enqueue(stream, "fill", Once([=] {
                   if (!StillLive(to, bytes, true)) return;
                   const DeviceAccess access;
                   {
                     const tsan::WatchScope watch;
                     tsan::Write(to, bytes);
                   }
                   std::memset(to, value, bytes);
                 }));
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  const ApiScope scope;
  if (const cudaError_t error = cudaMemsetAsync(to, value, bytes, nullptr)) return error;
  WaitForStream(*FindStream(nullptr));
  return Return(cudaSuccess);
}
