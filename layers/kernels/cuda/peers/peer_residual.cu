// All-reduce, residual and norms of a few rows in one launch: a row's sum never lies in memory, and
// the device does not begin a second kernel for it. A block has a row and meets the blocks of that
// row of its peers. Blocks without a row count the reduction all the same, so that every part of
// the ranks' memory takes turns together (peer_reduce.cu says why that is safe).
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/peer_exchange.h"
#include "layers/kernels/cuda/kernels/residual_row.h"
#include "layers/kernels/cuda/peers/peer_residual.h"

namespace lockstep::cuda {
namespace {

// Where the chunks of a row begin that a thread has: those that it has in NormaliseRow().
__device__ __forceinline__ std::int64_t RowColumn(int chunk) {
  return (static_cast<std::int64_t>(chunk) * kRowThreads + threadIdx.x) * kRowChunk;
}

// This rank's addend of the row, where its peers read it.
template <Access kAccess, int kChunks>
__device__ __forceinline__ void Publish(const ResidualNormArgs& args, std::int64_t row,
                                        float* staging) {
  const auto* delta = static_cast<const float*>(args.delta);
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    const std::int64_t column = RowColumn(chunk), left = args.d_model - column;
    if (left <= 0) continue;
    float values[kRowChunk];
    Load<kAccess>(delta + row * args.d_model + column, left, values);
    Store<kAccess>(staging + row * args.d_model + column, left, values);
  }
}

// The sum of all ranks' values from `first` on, in the order of SumTree().
template <Access kAccess>
__device__ __forceinline__ void SumOfPeers(const PeerReduceArgs& peers, std::int64_t first,
                                           std::int64_t left, float (&sum)[kRowChunk]) {
  float values[kMaxPeers][kRowChunk];
#pragma unroll
  for (int rank = 0; rank < kMaxPeers; ++rank)
    if (rank < peers.rank_count)
      LoadPeer<kAccess>(static_cast<const float*>(peers.peers[rank].staging) + first, left,
                        values[rank]);
  SumInTree(values, peers.rank_count);
#pragma unroll
  for (int i = 0; i < kRowChunk; ++i) sum[i] = values[0][i];
}

template <Access kAccess, int kChunks>
// A block a multiprocessor is enough: left to itself, the compiler spills for more.
__global__ void __launch_bounds__(kRowThreads, 1)
    PeerResidualKernel(PeerReduceArgs peers, ResidualNormArgs args, PeerPhase phase) {
  LOCKSTEP_SHARED(float[kRowThreads / kWarp], sums);
  LOCKSTEP_SHARED(float[kRowThreads / kWarp], squares);
  if (peers.next_may_begin) LetNextKernelBegin();
  const std::int64_t row = blockIdx.x;
  const bool has_row = row < args.tokens;
  if (has_row) PrefetchColumns<kChunks>(args);
  AwaitPriorKernels();
  const PeerMemory& own = peers.peers[peers.rank];
  if (HasGivenUp(peers)) return;
  const std::uint32_t epoch = own.epochs[blockIdx.x] + 1;
  const std::int64_t buffer = (epoch % 2) * peers.staging_elements;
  if (has_row && Does(phase, PeerPhase::kPublish)) {
    Publish<kAccess, kChunks>(args, row, static_cast<float*>(own.staging) + buffer);
    __syncthreads();
    Signal(peers, 0, epoch);
  }
  if (!Does(phase, PeerPhase::kSum)) return;
  if (has_row) {
    if (!Await(peers, 0, epoch)) return;
    // All that is read from peers before anything is stored: the ways to them overlap.
    float addends[kChunks][kRowChunk] = {};
#pragma unroll
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      const std::int64_t column = RowColumn(chunk), first = row * args.d_model + column;
      if (column < args.d_model)
        SumOfPeers<kAccess>(peers, buffer + first, args.d_model - column, addends[chunk]);
    }
    NormaliseRow<kAccess, kChunks>(
        args,
        [&](int chunk, std::int64_t column, float(&x)[kRowChunk]) {
          const auto addend = [&](std::int64_t, std::int64_t, float(&sum)[kRowChunk]) {
#pragma unroll
            for (int i = 0; i < kRowChunk; ++i) sum[i] = addends[chunk][i];
          };
          AddToRow<kAccess>(args, row, column, addend, x);
        },
        sums, squares);
  }
  __syncthreads();  // every thread has read the epoch
  if (threadIdx.x == 0) own.epochs[blockIdx.x] = epoch;
}

}  // namespace

void PeerResidual(PeerReduceArgs peers, const ResidualNormArgs& args, PeerPhase phase,
                  cudaStream_t stream) {
  peers.count = args.tokens * args.d_model;
  if (args.d_model > kMaxModelWidth || args.tokens > kPeerResidualRows ||
      peers.rank_count > kMaxPeers || peers.count > peers.staging_elements)
    RefuseArguments("PeerResidual",
                    "more than 32 rows or 8 ranks, rows wider than 16384, or more than fits into "
                    "the staging memory");
  if (args.delta == nullptr || args.delta_type != DType::kF32 || args.rows != nullptr)
    RefuseArguments("PeerResidual", "a delta of fp32 for all rows is what is added up");
  if (peers.count == 0) return;
  const LaunchShape shape{dim3(kPeerBlocks), dim3(kRowThreads), stream};
  const bool vectors = peers.staging_elements % 8 == 0 &&
                       AccessOf(args.d_model, peers.peers[peers.rank].staging) == Access::kVectors;
  ForAccess(vectors ? AccessOfRows(args) : Access::kElements, [&](auto kAccess) {
    ForRowChunks(args.d_model, [&](auto kChunks) {
      Launch("PeerResidual", shape, PeerResidualKernel<decltype(kAccess)::value, kChunks()>, peers,
             args, phase);
    });
  });
}

void PeerResidual(const PeerReduceArgs& peers, const ResidualNormArgs& args, cudaStream_t stream) {
  if constexpr (kBlocksRunTogether) {
    PeerResidual(peers, args, PeerPhase::kWhole, stream);
  } else {
    for (const PeerPhase phase : {PeerPhase::kPublish, PeerPhase::kSum})
      PeerResidual(peers, args, phase, stream);
  }
}

}  // namespace lockstep::cuda
