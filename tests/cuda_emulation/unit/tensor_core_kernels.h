#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

enum class CopyWait { kAwaited, kForgotten };

struct ProductShape {
  int rows = 16;              // a multiple of 16
  int depth = 16;             // a multiple of 16, at most 64
  bool b_transposed = false;  // b lies as [32, depth]
  CopyWait wait = CopyWait::kAwaited;
};

// c [rows, 32] = a [rows, depth] b [depth, 32], for T = __half or __nv_bfloat16.
template <class T>
cudaError_t TileProduct(const T* a, const T* b, float* c, const ProductShape& shape,
                        cudaStream_t stream);
