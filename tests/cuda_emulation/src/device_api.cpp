// Devices: all alike, as many as the settings say.

#include <cuda_runtime.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "runtime_state.h"
#include "visible_devices.h"

namespace lockstep::cuda_emulation {
namespace {

thread_local int t_device = 0;

constexpr int kProcessors = 4;
int Major() { return settings().compute_capability / 10; }
int Minor() { return settings().compute_capability % 10; }
constexpr int kSharedBytes = 48 * 1024, kMaxSharedBytes = 227 * 1024;

bool IsDevice(int device) { return device >= 0 && device < DeviceCount(); }

// The n-th device that this process sees; IsDevice(n).
const EmulatedDevice& DeviceAt(int device) {
  return VisibleDevices()[static_cast<std::size_t>(device)];
}

int AttributeValue(cudaDeviceAttr attribute, bool* known) {
  *known = true;
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: return Major();
    case cudaDevAttrComputeCapabilityMinor: return Minor();
    case cudaDevAttrMultiProcessorCount: return kProcessors;
    case cudaDevAttrMaxSharedMemoryPerBlock: return kSharedBytes;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: return kMaxSharedBytes;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: return kMaxSharedBytes + 1024;
    case cudaDevAttrMaxThreadsPerBlock: return 1024;
    case cudaDevAttrMaxThreadsPerMultiProcessor: return 2048;
    case cudaDevAttrWarpSize: return 32;
    case cudaDevAttrUnifiedAddressing: return 1;
    case cudaDevAttrMemoryPoolsSupported: return 1;
    case cudaDevAttrL2CacheSize: return 1 << 20;
    default: *known = false; return 0;
  }
}

}  // namespace

int CurrentDevice() { return t_device; }

}  // namespace lockstep::cuda_emulation

using namespace lockstep::cuda_emulation;

cudaError_t cudaGetDeviceCount(int* count) {
  const ApiScope scope;
  if (DeviceCount() == 0) return Return(cudaErrorNoDevice);  // the count stays unset
  *count = DeviceCount();
  return Return(cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
  const ApiScope scope;
  if (!IsDevice(device)) {
    return Refuse(cudaErrorInvalidDevice, "cudaSetDevice(" + std::to_string(device) + ") of " +
                                              std::to_string(DeviceCount()));
  }
  t_device = device;
  return Return(cudaSuccess);
}

cudaError_t cudaGetDevice(int* device) {
  *device = t_device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const ApiScope scope;
  if (!IsDevice(device)) return Return(cudaErrorInvalidDevice);
  *properties = cudaDeviceProp{};
  std::snprintf(properties->name, sizeof properties->name, "Lockstep CUDA emulation");
  properties->major = Major();
  properties->minor = Minor();
  properties->warpSize = 32;
  properties->multiProcessorCount = kProcessors;
  properties->maxThreadsPerBlock = 1024;
  properties->sharedMemPerBlock = kSharedBytes;
  properties->sharedMemPerBlockOptin = kMaxSharedBytes;
  properties->totalGlobalMem = settings().memory_bytes;
  properties->unifiedAddressing = 1;
  const std::uint64_t id = DeviceAt(device).id;
  std::memcpy(properties->uuid.bytes, &id, sizeof id);
  return Return(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  const ApiScope scope;
  if (!IsDevice(device)) return Return(cudaErrorInvalidDevice);
  bool known = false;
  *value = AttributeValue(attribute, &known);
  if (known) return Return(cudaSuccess);
  return Refuse(cudaErrorInvalidValue, "cudaDeviceGetAttribute: attribute " +
                                           std::to_string(static_cast<int>(attribute)) +
                                           " is not emulated");
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  const ApiScope scope;
  if (!IsDevice(device)) return Return(cudaErrorInvalidDevice);
  std::snprintf(text, static_cast<std::size_t>(length), "0000:%02x:00.0",
                DeviceAt(device).place + 1);
  return Return(cudaSuccess);
}

cudaError_t cudaDeviceGetByPCIBusId(int* device, const char* text) {
  const ApiScope scope;
  unsigned bus = 0;
  if (std::sscanf(text, "0000:%02x:00.0", &bus) != 1) return Return(cudaErrorInvalidDevice);
  for (int i = 0; i < DeviceCount(); ++i) {
    if (DeviceAt(i).place + 1 != static_cast<int>(bus)) continue;
    *device = i;
    return Return(cudaSuccess);
  }
  return Return(cudaErrorInvalidDevice);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  const ApiScope scope;
  if (!IsDevice(device) || !IsDevice(peer)) return Return(cudaErrorInvalidDevice);
  *can = device != peer ? 1 : 0;
  return Return(cudaSuccess);
}

cudaError_t cudaDeviceGetP2PAttribute(int* value, cudaDeviceP2PAttr attribute, int device,
                                      int peer) {
  const ApiScope scope;
  if (!IsDevice(device) || !IsDevice(peer) || device == peer) return Return(cudaErrorInvalidDevice);
  if (attribute != cudaDevP2PAttrNativeAtomicSupported)
    return Refuse(cudaErrorInvalidValue, "cudaDeviceGetP2PAttribute: an attribute not emulated");
  *value = settings().nvlink ? 1 : 0;
  return Return(cudaSuccess);
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  const ApiScope scope;
  return Return(IsDevice(peer) && peer != t_device ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDeviceReset() { return cudaDeviceSynchronize(); }
