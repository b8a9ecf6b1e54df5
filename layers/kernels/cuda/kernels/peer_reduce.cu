// All-reduce of small messages between the GPUs of one host, over memory that they read from each
// other. NCCL's latency is most of its time there; here it is one exchange of flags (two shots:
// two).
//
// Why no rank overwrites what a peer still reads: a message lies in one of two buffers, in turns.
// A rank writes a buffer again two reductions later; then it has seen its peers' flags of the
// reduction between, which they set after (in their streams' order) they had done with the first.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"
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

// Reads past this device's first-level cache, which other devices' writes do not reach.
template <Access kAccess, typename T>
__device__ __forceinline__ void LoadPeer(const T* from, std::int64_t left, float (&to)[kChunk]) {
  if constexpr (kAccess == Access::kVectors) {
    constexpr int kWords = kChunk * static_cast<int>(sizeof(T)) / 16;
    uint4 raw[kWords];
#pragma unroll
    for (int i = 0; i < kWords; ++i) raw[i] = __ldcg(reinterpret_cast<const uint4*>(from) + i);
    Load<Access::kVectors>(reinterpret_cast<const T*>(raw), kChunk, to);
  } else {
    const auto* last = reinterpret_cast<const volatile T*>(from);
    for (int i = 0; i < kChunk; ++i)
      to[i] = i < left ? ToFloat(const_cast<const T&>(last[i])) : 0.0f;
  }
}

__device__ __forceinline__ std::int64_t FlagOf(int phase, int rank) {
  return (static_cast<std::int64_t>(phase) * kPeerBlocks + blockIdx.x) * kMaxPeers + rank;
}

// Tells every peer that this block's part of the phase is written. After a barrier of the block.
__device__ __forceinline__ void Signal(const PeerReduceArgs& args, int phase, std::uint32_t epoch) {
  const int peer = static_cast<int>(threadIdx.x);
  if (peer >= args.rank_count) return;
  __threadfence_system();
  // A plain store: a flag has one writer, and over PCIe peers have no atomic operations. The count
  // travels along, so that a peer in another sum is noticed.
  volatile std::uint64_t* flags = args.peers[peer].flags;
  flags[FlagOf(phase, args.rank)] =
      static_cast<std::uint64_t>(epoch) << 32 | static_cast<std::uint32_t>(args.count);
}

// Tells the host why, and every later reduction of this rank not to wait.
__device__ __forceinline__ bool GiveUp(const PeerReduceArgs& args, PeerFault fault, int peer,
                                       std::uint32_t count) {
  volatile std::uint64_t* report = &args.status->report;
  *report =
      static_cast<std::uint64_t>(fault) << 40 | static_cast<std::uint64_t>(peer) << 32 | count;
  volatile std::uint32_t* given_up = args.peers[args.rank].epochs + kPeerBlocks;
  *given_up = 1;
  __threadfence_system();
  return false;
}

__device__ __forceinline__ bool AwaitPeer(const PeerReduceArgs& args, int phase, int peer,
                                          std::uint32_t epoch) {
  // The host's word lies behind the bus: a look at it takes longer than one at a flag.
  constexpr std::int64_t kLooksPerWord = 64;
  const volatile std::uint64_t* flag = args.peers[args.rank].flags + FlagOf(phase, peer);
  const volatile std::uint32_t* told = &args.status->give_up;
  for (std::int64_t look = 1;; ++look) {
    const std::uint64_t seen = *flag;
    const auto ahead = static_cast<std::int32_t>(static_cast<std::uint32_t>(seen >> 32) - epoch);
    const auto count = static_cast<std::uint32_t>(seen);
    // The difference, so that the epoch may wrap around. A peer that is ahead has compared.
    if (ahead > 0) return true;
    if (ahead == 0 && count == static_cast<std::uint32_t>(args.count)) return true;
    if (ahead == 0) return GiveUp(args, PeerFault::kOtherSize, peer, count);
    if (look % kLooksPerWord == 0 && *told != 0) return GiveUp(args, PeerFault::kToldTo, peer, 0);
    if (look >= args.spins) return GiveUp(args, PeerFault::kLate, peer, 0);
    __nanosleep(100);
  }
}

// Waits for this block's part of every peer; whether they all came.
__device__ __forceinline__ bool Await(const PeerReduceArgs& args, int phase, std::uint32_t epoch) {
  const int peer = static_cast<int>(threadIdx.x);
  bool came = true;
  if (peer < args.rank_count) {
    came = AwaitPeer(args, phase, peer, epoch);
    __threadfence_system();
  }
  return __syncthreads_and(came ? 1 : 0) != 0;
}

// As SumTree() of comm/reducer.h: ((0 + 1) + (2 + 3)) + ...
__device__ __forceinline__ void SumInTree(float (&values)[kMaxPeers][kChunk], int count) {
  if (count == 5) {  // the only count up to 8 whose first pairs are not all neighbours
#pragma unroll
    for (int i = 0; i < kChunk; ++i)
      values[0][i] = (values[0][i] + values[1][i] + values[2][i]) + (values[3][i] + values[4][i]);
    return;
  }
#pragma unroll
  for (int distance = 1; distance < kMaxPeers; distance *= 2)
#pragma unroll
    for (int rank = 0; rank + distance < kMaxPeers; rank += 2 * distance) {
      if (rank + distance >= count) continue;
#pragma unroll
      for (int i = 0; i < kChunk; ++i) values[rank][i] += values[rank + distance][i];
    }
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

__device__ __forceinline__ bool Does(PeerPhase launched, PeerPhase phase) {
  return launched == PeerPhase::kWhole || launched == phase;
}

template <Access kAccess, typename T>
__global__ void __launch_bounds__(kThreads)
    PeerReduceKernel(PeerReduceArgs args, PeerShots shots, PeerPhase phase) {
  if (args.next_may_begin) LetNextKernelBegin();
  AwaitPriorKernels();
  const PeerMemory& own = args.peers[args.rank];
  const volatile std::uint32_t* given_up = own.epochs + kPeerBlocks;
  if (__syncthreads_or(*given_up != 0 ? 1 : 0) != 0) return;
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
// emulation cannot be told to give up while it looks: about one in its microsecond.
double PeerLooksPerSecond() { return kBlocksRunTogether ? 5e6 : 1e6; }

void PeerReduce(const PeerReduceArgs& args, PeerShots shots, cudaStream_t stream) {
  if constexpr (kBlocksRunTogether) {
    PeerReduce(args, shots, PeerPhase::kWhole, stream);
  } else {
    for (const PeerPhase phase : {PeerPhase::kPublish, PeerPhase::kSum, PeerPhase::kCollect})
      PeerReduce(args, shots, phase, stream);
  }
}

}  // namespace lockstep::cuda
