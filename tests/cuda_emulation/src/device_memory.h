#pragma once
// Device memory: an arena of this process that only device code may touch. Every function here is
// called inside an ApiScope.

#include <cuda_runtime.h>

#include <cstddef>
#include <string>

namespace lockstep::cuda_emulation {

enum class MemoryKind { kDevice, kPinned, kPeer };  // kPeer: another process's, opened here

struct Allocation {
  char* base = nullptr;
  std::size_t bytes = 0;
  MemoryKind kind = MemoryKind::kDevice;
  int device = 0;
};

// While one lives, this thread may touch device memory; host code that does gets SIGSEGV.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

// Null when the memory of the device is used up. Filled with 0xff: NaN in every float format.
void* AllocateDevice(std::size_t bytes, int device);
// False when p is not the start of a live allocation of device memory.
bool FreeDevice(void* p);
std::size_t DeviceBytesInUse(int device);

// Host memory that the device can reach.
void RegisterPinned(void* p, std::size_t bytes);
bool UnregisterPinned(void* p);

// The live allocation that p lies in (or just behind), or null.
const Allocation* FindAllocation(const void* p);
// [p, p + bytes) lies within one live allocation that the device can reach.
bool WithinAllocation(const void* p, std::size_t bytes);
bool OnDevice(const void* p);

// Sharing between processes: turns the pages of a device allocation into a memory file, and maps
// such a file into the arena. Throw std::system_error.
int ShareAllocation(const Allocation& allocation);
void* MapShared(int file, std::size_t bytes);
bool UnmapShared(void* p);

}  // namespace lockstep::cuda_emulation
