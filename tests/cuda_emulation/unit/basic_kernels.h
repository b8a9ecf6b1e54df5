#pragma once

#include <cuda_runtime.h>

// values[i] = value
cudaError_t Fill(float* values, float value, int count, cudaStream_t stream);
// y[i] += x[i]
cudaError_t AddTo(const float* x, float* y, int count, cudaStream_t stream);
// sums[b] = the sum of x[128 b .. 128 b + 127], by shuffles, static and dynamic shared memory.
cudaError_t BlockSums(const float* x, float* sums, int blocks, cudaStream_t stream);
// out[i] = the number of threads of the block that are greater than i, by votes and atomics.
cudaError_t CountGreater(int* out, int count, cudaStream_t stream);

// Two steps of a peer-to-peer exchange between processes: show a value and raise a flag, then wait
// for the peer's flag and add its value to *sum.
struct PeerSlot {
  float value;
  unsigned flag;
};
cudaError_t ShowToPeer(PeerSlot* mine, float value, unsigned round, cudaStream_t stream);
cudaError_t AddFromPeer(PeerSlot* peer, unsigned round, float* sum, cudaStream_t stream);
