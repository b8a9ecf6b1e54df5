#include <cuda_runtime.h>
#include <mma.h>

#include "device.h"
#include "wmma_kernels.h"

namespace {

// One warp for each 16 rows of c = a b; a [16 blocks, depth], b [depth, 32] or its transpose.
template <class T, class LayoutB>
__global__ void ProductKernel(const T* a, const T* b, float* c, int depth) {
  using namespace nvcuda;
  const T* rows = a + 16 * depth * static_cast<int>(blockIdx.x);
  for (int column = 0; column < 32; column += 16) {
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
    wmma::fill_fragment(sum, 0.0f);
    for (int k = 0; k < depth; k += 16) {
      wmma::fragment<wmma::matrix_a, 16, 16, 16, T, wmma::row_major> part_a;
      wmma::fragment<wmma::matrix_b, 16, 16, 16, T, LayoutB> part_b;
      wmma::load_matrix_sync(part_a, rows + k, static_cast<unsigned>(depth));
      if constexpr (std::is_same_v<LayoutB, wmma::row_major>) {
        wmma::load_matrix_sync(part_b, b + k * 32 + column, 32u);
      } else {
        wmma::load_matrix_sync(part_b, b + column * depth + k, static_cast<unsigned>(depth));
      }
      wmma::mma_sync(sum, part_a, part_b, sum);
    }
    for (int e = 0; e < sum.num_elements; ++e) sum.x[e] *= 0.5f;
    float* out = c + 16 * 32 * static_cast<int>(blockIdx.x) + column;
    wmma::store_matrix_sync(out, sum, 32u, wmma::mem_row_major);
  }
}

}  // namespace

template <class T>
cudaError_t HalfProduct(const T* a, const T* b, float* c, const ProductShape& shape,
                        cudaStream_t stream) {
  const LaunchShape launch{dim3(static_cast<unsigned>(shape.rows / 16)), dim3(32)};
  return shape.b_transposed ? Launch(launch, stream, &ProductKernel<T, nvcuda::wmma::col_major>, a,
                                     b, c, shape.depth)
                            : Launch(launch, stream, &ProductKernel<T, nvcuda::wmma::row_major>, a,
                                     b, c, shape.depth);
}

template cudaError_t HalfProduct(const __half*, const __half*, float*, const ProductShape&,
                                 cudaStream_t);
template cudaError_t HalfProduct(const __nv_bfloat16*, const __nv_bfloat16*, float*,
                                 const ProductShape&, cudaStream_t);
