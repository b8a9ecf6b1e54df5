#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

// Of so many rows a sum can be made together with the residual: a block of threads for each.
inline constexpr std::int64_t kPeerResidualRows = kPeerBlocks;

// x[t] += (sum over ranks of delta[t]) + bias_a + bias_b, then up to two norms of the new x[t]:
// what PeerReduce() of delta, in one shot, and ResidualNorm() do one after the other, with their
// bits. Delta is fp32, [tokens, d_model], and stays as it is. Sums of both kinds may follow each
// other. Of `peers` x, type and count are of no interest.
void PeerResidual(PeerReduceArgs peers, const ResidualNormArgs& args, PeerPhase phase,
                  cudaStream_t stream);
// All phases, in as many launches as it takes where this runs. It has no kCollect.
void PeerResidual(const PeerReduceArgs& peers, const ResidualNormArgs& args, cudaStream_t stream);

}  // namespace lockstep::cuda
