#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

struct ProductShape {
  int rows = 16;
  int depth = 16;
  bool b_transposed = false;
};

// c [rows, 32] = a [rows, depth] b [depth, 32] / 2, for T = __half or __nv_bfloat16.
template <class T>
cudaError_t HalfProduct(const T* a, const T* b, float* c, const ProductShape& shape,
                        cudaStream_t stream);
