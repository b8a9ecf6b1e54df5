// What PeerReduce() does to peers' memory (stores of flags there, loads of messages), alone and
// with values that say who wrote them, for whom and when.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/peers/peer_probe.h"

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/kernels/launch.h"

namespace lockstep::cuda {
namespace {

constexpr int kProbeThreads = 256;
constexpr std::int64_t kMostShown = 4096;

__device__ __forceinline__ std::uint32_t Mixed(std::uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352dU;
  x = (x ^ x >> 15) * 0x846ca68bU;
  return x ^ x >> 16;
}

__device__ __forceinline__ std::uint32_t Pattern(std::uint32_t round, int from,
                                                 std::uint32_t index) {
  return Mixed(round * 0x9e3779b9U + static_cast<std::uint32_t>(from) * 0x85ebca6bU + index) | 1U;
}

__device__ __forceinline__ std::uint64_t Word(std::uint32_t round, int from, int to) {
  return static_cast<std::uint64_t>(round) << 32 |
         Pattern(round, from, 0x10000U + static_cast<std::uint32_t>(to));
}

// Where value `index` of those looked at lies.
__device__ __forceinline__ std::int64_t PlaceOf(const PeerProbeArgs& args, std::int64_t index,
                                                std::int64_t count) {
  return index * (args.shown_count / count);
}

__device__ __forceinline__ std::int64_t LookedAt(const PeerProbeArgs& args) {
  return args.shown_count < kMostShown ? args.shown_count : kMostShown;
}

__global__ void __launch_bounds__(kProbeThreads) WriteProbeKernel(PeerProbeArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t count = LookedAt(args);
  for (std::int64_t i = thread; i < count; i += kProbeThreads)
    args.shown[args.rank][PlaceOf(args, i, count)] =
        Pattern(args.round, args.rank, static_cast<std::uint32_t>(i));
  if (thread < args.rank_count) {
    volatile std::uint64_t* words = args.words[thread];
    words[args.rank] = Word(args.round, args.rank, thread);
  }
  __threadfence_system();
}

__global__ void __launch_bounds__(kProbeThreads) ReadProbeKernel(PeerProbeArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < args.rank_count) {
    const volatile std::uint64_t* words = args.words[args.rank];
    args.findings->lost[thread] = words[thread] == Word(args.round, thread, args.rank) ? 0U : 1U;
  }
  const std::int64_t count = LookedAt(args);
  for (int peer = 0; peer < args.rank_count; ++peer) {
    const volatile std::uint32_t* shown = args.shown[peer];
    int wrong = 0;
    for (std::int64_t i = thread; i < count; i += kProbeThreads)
      wrong +=
          shown[PlaceOf(args, i, count)] != Pattern(args.round, peer, static_cast<std::uint32_t>(i))
              ? 1
              : 0;
    const int threads = __syncthreads_count(wrong != 0 ? 1 : 0);
    if (thread == 0) args.findings->stale[peer] = static_cast<std::uint32_t>(threads);
  }
  __threadfence_system();
}

LaunchShape OneBlock(cudaStream_t stream) { return {dim3(1), dim3(kProbeThreads), stream}; }

}  // namespace

void WritePeerProbe(const PeerProbeArgs& args, cudaStream_t stream) {
  Launch("WritePeerProbe", OneBlock(stream), WriteProbeKernel, args);
}

void ReadPeerProbe(const PeerProbeArgs& args, cudaStream_t stream) {
  Launch("ReadPeerProbe", OneBlock(stream), ReadProbeKernel, args);
}

}  // namespace lockstep::cuda
