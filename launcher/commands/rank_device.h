#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "comm/communicator.h"
#include "core/weight_format.h"
#include "launcher/config/device_choice.h"
#include "launcher/world/rank_group.h"
#include "layers/kernels/backend.h"

namespace lockstep {

struct DeviceRequest {
  DeviceChoice choice = DeviceChoice::kCpu;
  BackendKind cpu_backend = BackendKind::kCpu;
  int threads = 1;
  WeightFormat format = WeightFormat::kF32;
  DType cache_dtype = DType::kF32;
  StepGraphs graphs = StepGraphs::kAuto;
};

// What a rank computes with. Destroyed last first.
struct RankDevice {
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Communicator> sums;  // over the group, in the device's memory; null: the group's
  std::size_t free_bytes = 0;  // of a device with memory of its own, before anything is there
  std::string name = "cpu";

  Communicator& communicator(Communicator& group) const { return sums != nullptr ? *sums : group; }
};

// Throws BadInput when kCuda is asked for what only the processor can do: before any rank starts.
void CheckDevice(const DeviceRequest& request);

// Opens this rank's device; several ranks of a host take its GPUs in their order. Collective over
// the world: throws the same on every rank, EnvironmentError where kCuda cannot be had.
RankDevice OpenDevice(const DeviceRequest& request, const RankGroup& group);

// How many of `wanted` pages of KV cache every rank's device has room for beside the weights: all,
// on the processor, which swaps. Throws EnvironmentError, on every rank, when that is less than
// `least`. Collective over the world.
struct CacheRequest {
  std::int64_t wanted = 0;
  std::int64_t least = 0;
  double weight_bytes = 0.0;
  double page_bytes = 0.0;  // of this rank, all layers
};
std::int64_t FittingPages(const RankDevice& device, const CacheRequest& request,
                          Communicator& world);

}  // namespace lockstep
