#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

// What a rank has found of each peer, in pinned host memory: how many values were not what the peer
// has written.
struct PeerFindings {
  std::uint32_t lost[kMaxPeers] = {};   // into this rank's memory
  std::uint32_t stale[kMaxPeers] = {};  // into its own, as this rank reads it
};

// The parts of the ranks' memory that a probe uses, and which pattern. Another round has another
// one: what was read before, and kept somewhere on the way, is not taken for what is there.
struct PeerProbeArgs {
  std::uint64_t* words[kMaxPeers] = {};  // in each rank's memory, one for each rank that writes
  std::uint32_t* shown[kMaxPeers] = {};  // in each rank's memory, for its peers to read
  std::int64_t shown_count = 0;          // a few thousand of them, all over, are looked at
  int rank = 0;
  int rank_count = 1;
  std::uint32_t round = 1;
  PeerFindings* findings = nullptr;  // of this rank
};

// Every rank writes; when all have, every rank reads. Neither waits for a peer.
void WritePeerProbe(const PeerProbeArgs& args, cudaStream_t stream);
void ReadPeerProbe(const PeerProbeArgs& args, cudaStream_t stream);

}  // namespace lockstep::cuda
