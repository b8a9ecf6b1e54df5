#pragma once

// How ranks on the GPUs of one host meet in a sum: flags in each other's memory, messages that are
// read there, and the order in which they are added. A kernel of it has a block of threads for each
// of kPeerBlocks parts of a message, which meets the blocks of the same number of its peers.

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

// Reads past this device's first-level cache, which other devices' writes do not reach.
template <Access kAccess, int kChunk, typename T>
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
template <int kChunk>
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

__device__ __forceinline__ bool Does(PeerPhase launched, PeerPhase phase) {
  return launched == PeerPhase::kWhole || launched == phase;
}

// Whether this rank has given up a sum before; the same for all threads of the block, which all
// call it.
__device__ __forceinline__ bool HasGivenUp(const PeerReduceArgs& args) {
  const volatile std::uint32_t* given_up = args.peers[args.rank].epochs + kPeerBlocks;
  return __syncthreads_or(*given_up != 0 ? 1 : 0) != 0;
}

}  // namespace lockstep::cuda
