#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/groups/process_grid.h"
#include "core/memory_pools.h"
#include "core/numbers/weight_format.h"
#include "layers/kernels/backend.h"
#include "runtime/options/device_choice.h"

namespace lockstep {

struct DeviceRequest {
  DeviceChoice choice = DeviceChoice::kCpu;
  BackendKind cpu_backend = BackendKind::kCpu;
  int threads = 1;
  std::optional<WeightFormat> format = WeightFormat::kF32;  // unset: still to be chosen
  std::optional<DType> cache_dtype = DType::kF32;           // the same
  BackendSettings settings = {};
};

// What a rank computes with. Destroyed last first.
struct RankDevice {
  Backend backend;
  std::unique_ptr<Reducer> sums;  // of the stage, in the device's memory; null: the stage's own
  int index = -1;                 // of a device with memory of its own
  std::string name = "cpu";

  bool on_gpu() const { return index >= 0; }
  Reducer& reducer(Communicator& group) const {
    return sums != nullptr ? *sums : static_cast<Reducer&>(group);
  }
};

// Throws BadInput when kCuda is asked for what only the processor can do: before any rank starts.
void CheckDevice(const DeviceRequest& request);

// What results have their last bits from: "cpu, avx512" or "cuda, NVIDIA H100". As this process
// sees it, without opening a device.
std::string DeviceHere(const DeviceRequest& request);

// Whether GPUs would compute this for so many ranks on this host. As this process sees it.
bool GpusHere(const DeviceRequest& request, int ranks);

// Whether every rank has a GPU for this. Collective over the world where request.choice is kAuto.
bool GpusEverywhere(const DeviceRequest& request, ControlPlane& world);

// Opens this rank's device; several ranks of a host take its GPUs in their order. Collective over
// the world: throws the same on every rank, EnvironmentError where kCuda cannot be had.
RankDevice OpenDevice(const DeviceRequest& request, const ProcessGrid& grid);

// Where this rank's weights and cache come from, as it is now: its device's memory, or the host's.
std::vector<MemoryPool> PoolsOf(const RankDevice& device);

}  // namespace lockstep
