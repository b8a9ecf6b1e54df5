// Kernel launches: what a real driver checks before it accepts one.

#include <cuda_runtime.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "device_memory.h"
#include "executor.h"
#include "runtime_state.h"
#include "stream.h"

namespace lockstep::cuda_emulation {
namespace {

constexpr int kDefaultDynamicShared = 48 * 1024;
constexpr int kMaxDynamicShared = 227 * 1024;
constexpr unsigned kMaxBlockThreads = 1024;
constexpr unsigned kMaxGridYz = 65535;

std::map<const void*, int>& DynamicSharedLimits() {
  static auto* limits = new std::map<const void*, int>;
  return *limits;
}

int DynamicSharedLimit(const void* kernel) {
  const auto found = DynamicSharedLimits().find(kernel);
  return found != DynamicSharedLimits().end() ? found->second : kDefaultDynamicShared;
}

bool HasZero(dim3 d) { return d.x == 0 || d.y == 0 || d.z == 0; }

std::string Text(dim3 d) { return fmt::format("({},{},{})", d.x, d.y, d.z); }

cudaError_t CheckConfiguration(const cudaLaunchConfig_t& config, const void* kernel) {
  const dim3 grid = config.gridDim, block = config.blockDim;
  const std::string name = "launch of " + KernelName(kernel);
  if (HasZero(grid) || HasZero(block) || grid.y > kMaxGridYz || grid.z > kMaxGridYz ||
      grid.x > 0x7fffffffu) {
    return Refuse(cudaErrorInvalidConfiguration,
                  name + ": grid " + Text(grid) + ", block " + Text(block));
  }
  if (std::uint64_t{block.x} * block.y * block.z > kMaxBlockThreads || block.z > 64) {
    return Refuse(cudaErrorInvalidConfiguration,
                  name + ": too many threads in block " + Text(block));
  }
  const int limit = DynamicSharedLimit(kernel);
  if (config.dynamicSmemBytes > static_cast<std::size_t>(limit)) {
    return Refuse(cudaErrorInvalidValue, name + ": " + std::to_string(config.dynamicSmemBytes) +
                                             " bytes of dynamic shared memory, over its limit of " +
                                             std::to_string(limit) +
                                             " (cudaFuncSetAttribute raises it)");
  }
  return cudaSuccess;
}

bool MayOverlap(const cudaLaunchConfig_t& config) {
  for (unsigned i = 0; i < config.numAttrs; ++i)
    if (config.attrs[i].id == cudaLaunchAttributeProgrammaticStreamSerialization)
      return config.attrs[i].val.programmaticStreamSerializationAllowed != 0;
  return false;
}

}  // namespace

void CheckPointerArgument(const void* kernel, int index, const void* pointer) {
  if (pointer == nullptr) return;
  const ApiScope scope;
  if (FindAllocation(pointer) != nullptr) return;
  Fault(cudaErrorIllegalAddress, "kernel " + KernelName(kernel) + ": pointer argument " +
                                     std::to_string(index) +
                                     " is not live memory of a device, nor pinned host memory");
}

cudaError_t LaunchKernel(const cudaLaunchConfig_t& config, const void* kernel,
                         std::function<void()> body) {
  const ApiScope scope;
  if (StickyError() != cudaSuccess) return Return(cudaSuccess);
  if (const cudaError_t error = CheckConfiguration(config, kernel)) return error;
  auto launch = std::make_shared<GridLaunch>();
  launch->kernel = KernelName(kernel);
  launch->grid = config.gridDim;
  launch->block = config.blockDim;
  launch->dynamic_shared_bytes = config.dynamicSmemBytes;
  launch->overlaps = MayOverlap(config);
  launch->body = std::move(body);
  const dim3 grid = launch->grid;
  return Enqueue(config.stream, launch->kernel, Once([launch] {
                   const DeviceAccess access;
                   Executor::Instance().Run(*launch);
                 }),
                 launch->overlaps ? std::uint64_t{grid.x} * grid.y * grid.z : 0);
}

}  // namespace lockstep::cuda_emulation

using namespace lockstep::cuda_emulation;

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const ApiScope scope;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return Return(cudaSuccess);
  if (value < 0 || value > kMaxDynamicShared) {
    return Refuse(cudaErrorInvalidValue, KernelName(kernel) + ": " + std::to_string(value) +
                                             " bytes of dynamic shared memory; at most " +
                                             std::to_string(kMaxDynamicShared));
  }
  DynamicSharedLimits()[kernel] = value;
  return Return(cudaSuccess);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  const ApiScope scope;
  *attributes = cudaFuncAttributes{};
  attributes->maxThreadsPerBlock = static_cast<int>(kMaxBlockThreads);
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = settings().compute_capability;
  attributes->maxDynamicSharedSizeBytes = DynamicSharedLimit(kernel);
  return Return(cudaSuccess);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel,
                                                          int block_size, std::size_t dynamic) {
  const ApiScope scope;
  if (block_size <= 0 || block_size > static_cast<int>(kMaxBlockThreads) ||
      dynamic > static_cast<std::size_t>(DynamicSharedLimit(kernel))) {
    *blocks = 0;
    return Return(cudaSuccess);
  }
  constexpr int kThreadsPerProcessor = 2048;
  *blocks = kThreadsPerProcessor / block_size;
  if (dynamic > 0) *blocks = std::min(*blocks, static_cast<int>(kMaxDynamicShared / dynamic));
  return Return(cudaSuccess);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* kernel,
                                                                   int block_size,
                                                                   std::size_t dynamic, unsigned) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, kernel, block_size, dynamic);
}
