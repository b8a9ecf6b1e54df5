#include "runtime/rank_device.h"

#include <algorithm>
#include <functional>
#include <span>
#include <string_view>

#include "comm/groups/first_reason.h"
#include "core/log.h"
#include "layers/kernels/device_module.h"
#include "layers/kernels/shared_device.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

// Why a GPU is not what this request wants; empty: it is.
std::string WhyNotCuda(const DeviceRequest& request) {
  if (request.cpu_backend == BackendKind::kReference)
    return "engine.backend: reference computes on the processor";
  if (!request.format) return "";
  if (request.format == WeightFormat::kF32)
    return fmt::format("--dtype {}: GPUs compute in bf16, fp16, fp8, int8 or int4",
                       Name(*request.format));
  const DType kept = TableDType(*request.format);
  const DType cache = request.cache_dtype.value_or(kept);
  if (cache != kept && cache != DType::kF8)
    return fmt::format(
        "model.cache_dtype {}: with --dtype {} GPUs keep keys and values in {} or fp8", Name(cache),
        Name(*request.format), Name(kept));
  return "";
}

// Throws where a processor cannot compute this.
void CheckCpu(const DeviceRequest& request) {
  if (request.cache_dtype == DType::kF8 && request.cpu_backend == BackendKind::kCpu)
    throw BadInput(
        "model.cache_dtype fp8: only GPUs keep keys and values in fp8; use model.cache_dtype int8, "
        "or --device cuda on a host that has one");
  if (request.format == WeightFormat::kF16 || request.cache_dtype == DType::kF16)
    throw BadInput(
        "{} fp16: only GPUs compute in fp16; use --dtype bf16, or --device cuda on a host that has "
        "one",
        request.format == WeightFormat::kF16 ? "--dtype" : "model.cache_dtype");
  if (request.format == WeightFormat::kF8)
    throw BadInput(
        "--dtype fp8: only GPUs of compute capability 8.9 or later compute in fp8; use --dtype "
        "int8 or bf16, or --device cuda on a host that has one");
}

// How many ranks of lower numbers are on this one's host.
int LocalRank(const ControlPlane& world) {
  const std::vector<int> here = world.hosts().Neighbours(world.rank());
  return static_cast<int>(std::ranges::find(here, world.rank()) - here.begin());
}

// This rank's GPU. Where a process sees only one, whatever started it may have shared them out:
// WhyShared() looks.
int DeviceOf(const ControlPlane& world) {
  const int count = CudaModule().DeviceCount();
  const int local = LocalRank(world);
  if (count == 1) return 0;
  if (SharedDeviceAsked()) return local % count;
  if (local >= count)
    throw EnvironmentError(
        "rank {} is number {} on {}, which has {} GPUs; start at most {} ranks there, or use "
        "--device cpu",
        world.rank(), local + 1, world.host(world.rank()), count, count);
  return local;
}

// Which two ranks of a host have been given the same GPU, and what to do; the same on every rank.
// "": each has one of its own, or they are to share. Collective. `id` is that of this rank's, ""
// where it has none.
std::string WhyShared(ControlPlane& world, const std::string& id) {
  const auto ids = world.AllGather(std::as_bytes(std::span(id)));
  if (SharedDeviceAsked()) return "";
  for (int rank = 0; rank < world.size(); ++rank)
    for (int other = 0; other < rank; ++other) {
      const ControlPlane::Bytes& theirs = ids[static_cast<std::size_t>(rank)];
      if (theirs.empty() || theirs != ids[static_cast<std::size_t>(other)] ||
          !world.hosts().SameHost(rank, other))
        continue;
      return fmt::format(
          "ranks {} and {} on {} have been given the same GPU, {}; start at most as many ranks "
          "there as it has GPUs, give each its own (srun --gpus-per-task=1, "
          "CUDA_VISIBLE_DEVICES), or set LOCKSTEP_SHARED_GPU=1 to let them take turns",
          other, rank, world.host(rank),
          std::string_view(reinterpret_cast<const char*>(theirs.data()), theirs.size()));
    }
  return "";
}

struct DeviceDecision {
  DeviceChoice choice = DeviceChoice::kCpu;
  std::string why;  // kAuto has come to kCpu
};

DeviceDecision Decide(const DeviceRequest& request, ControlPlane& world) {
  if (request.choice != DeviceChoice::kAuto) return {request.choice, ""};
  // What is missing first: formats are of no interest where there is no GPU.
  std::string why, id;
  try {
    id = CudaModule().Describe(DeviceOf(world)).id;
    why = WhyNotCuda(request);
  } catch (const Error& error) {
    why = error.what();
  }
  why = FirstReason(world, why);
  if (why.empty()) why = WhyShared(world, id);
  return {why.empty() ? DeviceChoice::kCuda : DeviceChoice::kCpu, why};
}

}  // namespace

void CheckDevice(const DeviceRequest& request) {
  if (request.choice == DeviceChoice::kCpu) CheckCpu(request);
  if (request.choice != DeviceChoice::kCuda) return;
  const std::string why = WhyNotCuda(request);
  if (!why.empty())
    throw BadInput(
        "{}; change it, for example to --dtype bf16 with model.cache_dtype null, or use --device "
        "cpu",
        why);
}

std::string DeviceHere(const DeviceRequest& request) {
  const std::string cpu = fmt::format("cpu, {}", InstructionSet(request.cpu_backend));
  if (request.choice == DeviceChoice::kCpu || !WhyNotCuda(request).empty()) return cpu;
  try {
    return fmt::format("cuda, {}", CudaModule().Describe(0).name);
  } catch (const Error&) {
    return request.choice == DeviceChoice::kAuto ? cpu : "cuda";
  }
}

bool GpusHere(const DeviceRequest& request, int ranks) {
  if (request.choice != DeviceChoice::kAuto) return request.choice == DeviceChoice::kCuda;
  if (!WhyNotCuda(request).empty()) return false;
  try {
    const int count = CudaModule().DeviceCount();
    return count == 1 || count >= ranks;  // as DeviceOf() shares them out
  } catch (const Error&) {
    return false;
  }
}

bool GpusEverywhere(const DeviceRequest& request, ControlPlane& world) {
  return Decide(request, world).choice == DeviceChoice::kCuda;
}

RankDevice OpenDevice(const DeviceRequest& request, const ProcessGrid& grid) {
  RankDevice device;
  const DeviceDecision decision = Decide(request, grid.world());
  const bool cuda = decision.choice == DeviceChoice::kCuda;
  if (!decision.why.empty() && grid.world().rank() == 0)
    WriteLog(LogLevel::kInfo, fmt::format("computing on the CPU: {}", decision.why));
  std::string id;
  Agree(grid.world(), "opening the device", [&] {
    CheckDevice(request);
    if (!cuda) {
      CheckCpu(request);
      device.backend = MakeBackend(request.cpu_backend, request.threads);
      return;
    }
    const int index = DeviceOf(grid.world());
    const DeviceInfo info = CudaModule().Describe(index);
    device.backend = CudaModule().MakeBackend(index, request.settings);
    device.index = index;
    device.name = fmt::format("cuda device {} ({})", index, info.name);
    id = info.id;
  });
  if (!cuda) return device;
  const std::string shared = WhyShared(grid.world(), id);
  Agree(grid.world(), "sharing out the GPUs", [&] {
    if (!shared.empty()) throw EnvironmentError("{}", shared);
  });
  Agree(grid.world(), "joining the devices",
        [&] { device.sums = CudaModule().MakeReducer(grid.tensor(), device.backend); });
  WriteLog(LogLevel::kDebug,
           fmt::format("{}; sums through {}", device.name, device.sums->transport()));
  return device;
}

std::vector<MemoryPool> PoolsOf(const RankDevice& device) {
  if (!device.on_gpu()) return MemoryPools();
  const DeviceInfo info = CudaModule().Describe(device.index);
  // No number of the host's pools.
  const std::uint64_t id = std::hash<std::string>()(info.id) | 2;
  return {{.id = id, .name = device.name, .free_bytes = static_cast<double>(info.free_bytes)}};
}

}  // namespace lockstep
