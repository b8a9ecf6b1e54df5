// All-reduce of small messages between the GPUs of one host, over memory that they read from each
// other. NCCL's latency is most of its time there; here it is one exchange of flags (two shots:
// two).
//
// Why no rank overwrites what a peer still reads: a message lies in one of two buffers, in turns.
// A rank writes a buffer again two reductions later; then it has seen its peers' flags of the
// reduction between, which they set after (in their streams' order) they had done with the first.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"
#include "layers/kernels/cuda/kernels/peer_exchange.h"
#include "layers/kernels/cuda/kernels/peer_pace.h"

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kChunk = 8;

// The elements of one block, or of one rank's slice of them.
struct Span {
  std::int64_t begin;
  std::int64_t end;
};

// Part `index` of `parts` of a span, in whole chunks, so that all parts but the last one that has
// any are equal and begin on 16 bytes.
__device__ __forceinline__ Span PartOf(Span span, std::int64_t index, std::int64_t parts) {
  const std::int64_t chunks = (span.end - span.begin + kChunk - 1) / kChunk;
  const std::int64_t size = (chunks + parts - 1) / parts * kChunk;
  const std::int64_t begin = span.begin + index * size, end = begin + size;
  return {begin < span.end ? begin : span.end, end < span.end ? end : span.end};
}

template <Access kAccess, typename T>
__device__ __forceinline__ void SumPeers(const PeerReduceArgs& args, Span span, std::int64_t buffer,
                                         T* to) {
  for (std::int64_t i = span.begin + threadIdx.x * kChunk; i < span.end; i += kThreads * kChunk) {
    float values[kMaxPeers][kChunk];
#pragma unroll
    for (int rank = 0; rank < kMaxPeers; ++rank)
      if (rank < args.rank_count)
        LoadPeer<kAccess>(static_cast<const T*>(args.peers[rank].staging) + buffer + i,
                          span.end - i, values[rank]);
    SumInTree(values, args.rank_count);
    Store<kAccess>(to + i, span.end - i, values[0]);
  }
}

template <Access kAccess, typename T>
__device__ __forceinline__ void CopyPeer(const T* from, Span span, T* to) {
  for (std::int64_t i = span.begin + threadIdx.x * kChunk; i < span.end; i += kThreads * kChunk) {
    float values[kChunk];
    LoadPeer<kAccess>(from + i, span.end - i, values);
    Store<kAccess>(to + i, span.end - i, values);
  }
}

template <Access kAccess, typename T>
__global__ void __launch_bounds__(kThreads)
    PeerReduceKernel(PeerReduceArgs args, PeerShots shots, PeerPhase phase) {
  if (args.next_may_begin) LetNextKernelBegin();
  AwaitPriorKernels();
  const PeerMemory& own = args.peers[args.rank];
  if (HasGivenUp(args)) return;
  const std::uint32_t epoch = own.epochs[blockIdx.x] + 1;
  const std::int64_t buffer = (epoch % 2) * args.staging_elements;
  const Span block = PartOf({0, args.count}, blockIdx.x, kPeerBlocks);
  const Span slice = PartOf(block, args.rank, args.rank_count);
  T* x = static_cast<T*>(args.x);
  if (Does(phase, PeerPhase::kPublish)) {
    CopyPeer<kAccess>(static_cast<const T*>(x), block, static_cast<T*>(own.staging) + buffer);
    __syncthreads();
    Signal(args, 0, epoch);
  }
  if (Does(phase, PeerPhase::kSum)) {
    if (!Await(args, 0, epoch)) return;
    if (shots == PeerShots::kOne) {
      SumPeers<kAccess>(args, block, buffer, x);
    } else {
      SumPeers<kAccess>(args, slice, buffer, static_cast<T*>(own.reduced) + buffer);
      __syncthreads();
      Signal(args, 1, epoch);
    }
  }
  if (Does(phase, PeerPhase::kCollect)) {
    if (shots == PeerShots::kTwo) {
      if (!Await(args, 1, epoch)) return;
      for (int rank = 0; rank < args.rank_count; ++rank)
        CopyPeer<kAccess>(static_cast<const T*>(args.peers[rank].reduced) + buffer,
                          PartOf(block, rank, args.rank_count), x);
    }
    __syncthreads();  // every thread has read the epoch
    if (threadIdx.x == 0) own.epochs[blockIdx.x] = epoch;
  }
}

}  // namespace

void PeerReduce(const PeerReduceArgs& args, PeerShots shots, PeerPhase phase, cudaStream_t stream) {
  if (args.rank_count > kMaxPeers || args.count > args.staging_elements)
    RefuseArguments("PeerReduce", "more ranks than 8, or a message larger than its staging memory");
  if (args.count == 0) return;
  const LaunchShape shape{dim3(kPeerBlocks), dim3(kThreads), stream};
  const PeerMemory& own = args.peers[args.rank];
  const Access access = args.staging_elements % kChunk == 0
                            ? AccessOf(args.count, args.x, own.staging, own.reduced)
                            : Access::kElements;
  ForFloatType(args.type, "PeerReduce", [&](auto type) {
    ForAccess(access, [&](auto kAccess) {
      Launch("PeerReduce", shape, PeerReduceKernel<kAccess(), decltype(type)>, args, shots, phase);
    });
  });
}

// On a device a look takes 0.2 us at least, so that a host's own deadline comes first. The
// emulation, which sleeps between looks, cannot be told to give up: about one in 100 us.
double PeerLooksPerSecond() { return kBlocksRunTogether ? 5e6 : 1e4; }

void PeerReduce(const PeerReduceArgs& args, PeerShots shots, cudaStream_t stream) {
  if constexpr (kBlocksRunTogether) {
    PeerReduce(args, shots, PeerPhase::kWhole, stream);
  } else {
    for (const PeerPhase phase : {PeerPhase::kPublish, PeerPhase::kSum, PeerPhase::kCollect})
      PeerReduce(args, shots, phase, stream);
  }
}

}  // namespace lockstep::cuda
