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
