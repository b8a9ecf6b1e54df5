// Allocation of device memory and of pinned host memory.

#include <cuda_runtime.h>

#include <cstdlib>

#include "capture.h"
#include "device_memory.h"
#include "runtime_state.h"
#include "stream.h"

using namespace lockstep::cuda_emulation;

namespace {

constexpr std::size_t kHostAlignment = 4096;

cudaError_t Allocate(void** p, std::size_t bytes) {
  *p = nullptr;
  if (bytes == 0) return Return(cudaSuccess);
  ++statistics().allocations;
  *p = AllocateDevice(bytes, CurrentDevice());
  if (*p != nullptr) return Return(cudaSuccess);
  return Refuse(cudaErrorMemoryAllocation,
                "cudaMalloc of " + std::to_string(bytes) +
                    " bytes: " + std::to_string(DeviceBytesInUse(CurrentDevice())) + " of " +
                    std::to_string(settings().memory_bytes) + " are in use");
}

}  // namespace

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  const ApiScope scope;
  if (InvalidatesCapture("cudaMalloc")) return Return(cudaErrorStreamCaptureUnsupported);
  return Allocate(p, bytes);
}

cudaError_t cudaFree(void* p) {
  const ApiScope scope;
  if (p == nullptr) return Return(cudaSuccess);
  if (InvalidatesCapture("cudaFree")) return Return(cudaErrorStreamCaptureUnsupported);
  ++statistics().frees;
  WaitForAllStreams();  // as the driver does
  if (FreeDevice(p)) return Return(cudaSuccess);
  return Refuse(cudaErrorInvalidValue, "cudaFree of what is not the start of an allocation");
}

cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t stream) {
  const ApiScope scope;
  if (FindStream(stream) == nullptr) return Return(cudaErrorInvalidResourceHandle);
  return Allocate(p, bytes);
}

cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
  const ApiScope scope;
  if (p == nullptr) return Return(cudaSuccess);
  if (!OnDevice(p)) return Refuse(cudaErrorInvalidValue, "cudaFreeAsync of no device memory");
  ++statistics().frees;
  return Enqueue(stream, "cudaFreeAsync", Once([p] {
                   if (FreeDevice(p)) return;
                   Fault(cudaErrorIllegalAddress, "cudaFreeAsync: the memory was freed before");
                 }));
}

cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
  const ApiScope scope;
  *p = nullptr;
  if (InvalidatesCapture("cudaMallocHost")) return Return(cudaErrorStreamCaptureUnsupported);
  if (bytes == 0) return Return(cudaSuccess);
  ++statistics().allocations;
  if (posix_memalign(p, kHostAlignment, bytes) != 0) return Return(cudaErrorMemoryAllocation);
  RegisterPinned(*p, bytes);
  return Return(cudaSuccess);
}

cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  return cudaMallocHost(p, bytes);
}

cudaError_t cudaFreeHost(void* p) {
  const ApiScope scope;
  if (p == nullptr) return Return(cudaSuccess);
  if (InvalidatesCapture("cudaFreeHost")) return Return(cudaErrorStreamCaptureUnsupported);
  ++statistics().frees;
  WaitForAllStreams();
  if (!UnregisterPinned(p)) {
    return Refuse(cudaErrorInvalidValue, "cudaFreeHost of what cudaMallocHost did not give");
  }
  std::free(p);
  return Return(cudaSuccess);
}

cudaError_t cudaHostRegister(void* p, std::size_t bytes, unsigned) {
  const ApiScope scope;
  if (p == nullptr || bytes == 0) return Return(cudaErrorInvalidValue);
  if (WithinAllocation(p, bytes)) return Return(cudaErrorHostMemoryAlreadyRegistered);
  RegisterPinned(p, bytes);
  return Return(cudaSuccess);
}

cudaError_t cudaHostUnregister(void* p) {
  const ApiScope scope;
  WaitForAllStreams();
  return Return(UnregisterPinned(p) ? cudaSuccess : cudaErrorHostMemoryNotRegistered);
}

cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  const ApiScope scope;
  *device = FindAllocation(host) != nullptr ? host : nullptr;
  return Return(*device != nullptr ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  const ApiScope scope;
  *total_bytes = settings().memory_bytes;
  *free_bytes = *total_bytes - DeviceBytesInUse(CurrentDevice());
  return Return(cudaSuccess);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
  const ApiScope scope;
  *attributes = cudaPointerAttributes{};
  attributes->type = cudaMemoryTypeUnregistered;
  const Allocation* allocation = FindAllocation(p);
  if (allocation == nullptr) {
    attributes->hostPointer = const_cast<void*>(p);
    return Return(cudaSuccess);
  }
  const bool pinned = allocation->kind == MemoryKind::kPinned;
  attributes->type = pinned ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
  attributes->device = allocation->device;
  attributes->devicePointer = const_cast<void*>(p);
  attributes->hostPointer = pinned ? const_cast<void*>(p) : nullptr;
  return Return(cudaSuccess);
}
