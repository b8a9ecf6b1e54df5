#include "layers/kernels/cuda/peers/module_reducer.h"

#include <utility>

#include "comm/nccl/device_reducer.h"
#include "layers/kernels/cuda/cuda_backend.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/cuda_device.h"
#include "layers/kernels/cuda/cuda_ops.h"
#include "layers/kernels/cuda/peers/peer_reducer.h"
#include "layers/kernels/cuda/peers/tree_sum.h"
#include "layers/kernels/cuda/steps/cuda_graphs.h"
#include "layers/kernels/cuda/steps/cuda_step_runner.h"

namespace lockstep::cuda {

namespace {

void AddGathered(const GatheredValues& of, float* sums, Stream stream) {
  TreeSum({.gathered = of.values, .ranks = of.ranks, .sum = sums, .count = of.count},
          static_cast<cudaStream_t>(stream.handle));
}

void CopyFloats(const float* from, float* to, std::int64_t count, Stream stream) {
  Check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(count) * sizeof(float),
                        cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream.handle)),
        "cudaMemcpyAsync");
}

}  // namespace

std::unique_ptr<Reducer> MakeReducer(ControlPlane& group, const Backend& backend,
                                     const ModuleHost& host) {
  CudaStream& stream = DeviceOf(backend).cuda_stream();
  CudaStepRunner& steps = StepsOf(backend);
  SummingDevice device{
      .allocate = [](Shape shape) { return DeviceTensor(DType::kF32, shape); },
      .set_liveness_check =
          [&stream](CudaStream::Watch watch) { stream.set_liveness_check(std::move(watch)); },
      .activity = host.current_activity,
      .forget_steps = [&steps] { steps.Forget(); },
      .repeat_at_replay = RepeatAtReplay};
  if (OpsOf(backend).sum_order() == SumOrder::kFixed) {
    device.add_in_tree = AddGathered;
    device.copy = CopyFloats;
  }
  if (group.size() == 1) return std::make_unique<DeviceReducer>(group, std::move(device));
  PeerRefusal refusal;
  auto peers = PeerGroup::Join(group, PeerElementsAsked(), refusal);
  if (peers != nullptr) {
    const bool tunes = PeerElementsAreAuto() && peers->has_slow_links();
    auto reducer = std::make_unique<PeerReducer>(group, std::move(device), std::move(peers));
    if (tunes) reducer->Tune(stream);
    return reducer;
  }
  if (!HasNccl())
    throw EnvironmentError(
        "{} ranks with --device cuda: this CUDA module was built without NCCL, and the ranks "
        "cannot add through each other's memory: {}; install libnccl-dev and build it again, or "
        "use --tp "
        "1",
        group.size(), refusal.why);
  if (group.rank() == 0)
    host.log(refusal.unexpected ? LogLevel::kInfo : LogLevel::kDebug,
             fmt::format("GPUs add up through NCCL and not through each other's memory: {}",
                         refusal.why));
  return MakeNcclReducer(group, std::move(device));
}

}  // namespace lockstep::cuda
