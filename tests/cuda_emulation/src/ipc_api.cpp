// Device memory that processes of one machine share.

#include <cuda_runtime.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <system_error>

#include "device_memory.h"
#include "runtime_state.h"
#include "visible_devices.h"

using namespace lockstep::cuda_emulation;

namespace {

// What a handle carries to the other process: whose open file it is.
struct HandleContent {
  char mark[8];
  pid_t process;
  int file;
  std::uint64_t bytes;
  bool of_slice;
};
constexpr char kMark[8] = {'l', 's', 'e', 'm', 'u', 'i', 'p', 'c'};
static_assert(sizeof(HandleContent) <= sizeof(cudaIpcMemHandle_t));

bool IsSlice() { return VisibleDevices()[static_cast<std::size_t>(CurrentDevice())].is_slice; }

}  // namespace

cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t* handle, void* p) {
  const ApiScope scope;
  const Allocation* allocation = FindAllocation(p);
  if (allocation == nullptr || allocation->kind != MemoryKind::kDevice || allocation->base != p) {
    return Refuse(cudaErrorInvalidValue,
                  "cudaIpcGetMemHandle: not the start of device memory of this process");
  }
  HandleContent content{};
  std::memcpy(content.mark, kMark, sizeof kMark);
  content.process = getpid();
  content.bytes = allocation->bytes;
  content.of_slice = IsSlice();
  try {
    content.file = ShareAllocation(*allocation);
  } catch (const std::system_error& error) {
    return Refuse(cudaErrorMemoryAllocation, error.what());
  }
  std::memset(handle, 0, sizeof *handle);
  std::memcpy(handle, &content, sizeof content);
  return Return(cudaSuccess);
}

cudaError_t cudaIpcOpenMemHandle(void** p, cudaIpcMemHandle_t handle, unsigned) {
  const ApiScope scope;
  *p = nullptr;
  HandleContent content{};
  std::memcpy(&content, &handle, sizeof content);
  if (std::memcmp(content.mark, kMark, sizeof kMark) != 0) {
    return Refuse(cudaErrorInvalidValue, "cudaIpcOpenMemHandle: not a handle");
  }
  if (content.process == getpid()) {
    return Refuse(cudaErrorDeviceUninitialized,
                  "cudaIpcOpenMemHandle: the memory is this process's own");
  }
  if (content.of_slice || IsSlice()) {
    return Refuse(
        cudaErrorInvalidDevice,
        "cudaIpcOpenMemHandle: memory of a slice of a device is its own processes' alone");
  }
  const std::string path = fmt::format("/proc/{}/fd/{}", content.process, content.file);
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) {
    return Refuse(cudaErrorMapBufferObjectFailed,
                  fmt::format("cudaIpcOpenMemHandle: {}: {}", path, std::strerror(errno)));
  }
  try {
    *p = MapShared(file, content.bytes);
  } catch (const std::system_error& error) {
    close(file);
    return Refuse(cudaErrorMapBufferObjectFailed, error.what());
  }
  close(file);
  return Return(cudaSuccess);
}

cudaError_t cudaIpcCloseMemHandle(void* p) {
  const ApiScope scope;
  if (UnmapShared(p)) return Return(cudaSuccess);
  return Refuse(cudaErrorInvalidValue, "cudaIpcCloseMemHandle: no opened memory");
}
