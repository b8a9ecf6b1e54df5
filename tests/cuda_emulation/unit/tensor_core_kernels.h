#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

enum class CopyWait { kAwaited, kForgotten };

struct ProductShape {
  int rows = 16;              // a multiple of 16
  int depth = 16;             // a multiple of 16, at most 64
  bool b_transposed = false;  // b lies as [32, depth]
  CopyWait wait = CopyWait::kAwaited;
};

// c [rows, 32] = a [rows, depth] b [depth, 32], for T = __half or __nv_bfloat16; or __nv_fp8_e4m3,
// with b transposed and a depth that is a multiple of 32.
template <class T>
cudaError_t TileProduct(const T* a, const T* b, float* c, const ProductShape& shape,
                        cudaStream_t stream);
