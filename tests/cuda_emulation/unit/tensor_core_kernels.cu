#include <cuda_runtime.h>

#include "device.h"
#include "tensor_core_kernels.h"

namespace {

namespace emulation = lockstep::cuda_emulation;
constexpr int kColumns = 32, kMaxDepth = 64;
template <class T>
constexpr int kChunk = 16 / sizeof(T);  // elements in 16 bytes

template <class T>
void Stage(const T* from, int count, T* to) {
  for (int i = static_cast<int>(threadIdx.x) * kChunk<T>; i < count; i += 32 * kChunk<T>)
    emulation::CopyAsync(to + i, from + i, 16);
}

// One warp for each 16 rows.
template <class T>
__global__ void ProductKernel(const T* a, const T* b, float* c, ProductShape shape) {
  SHARED(T[16 * kMaxDepth], rows);
  SHARED(T[kColumns * kMaxDepth], right);
  const int lane = static_cast<int>(threadIdx.x), depth = shape.depth;
  Stage(a + 16 * depth * static_cast<int>(blockIdx.x), 16 * depth, &rows[0]);
  Stage(b, kColumns * depth, &right[0]);
  emulation::CommitCopies();
  if (shape.wait == CopyWait::kAwaited) emulation::AwaitCopies<0>();
  __syncwarp();
  float sums[kColumns / 8][4] = {};
  for (int k = 0; k < depth; k += 2 * kChunk<T>) {
    unsigned left[4];
    emulation::LoadMatrices(&rows[lane % 16 * depth + k + lane / 16 * kChunk<T>], left);
    for (int n = 0; n < kColumns; n += 16) {
      unsigned two[4];
      if (shape.b_transposed)
        emulation::LoadMatrices(
            &right[(n + lane / 16 * 8 + lane % 8) * depth + k + lane / 8 % 2 * kChunk<T>], two);
      else
        emulation::LoadMatricesTransposed(&right[(k + lane % 16) * kColumns + n + lane / 16 * 8],
                                          two);
      const unsigned first[2] = {two[0], two[1]}, second[2] = {two[2], two[3]};
      emulation::MultiplyAdd<T>(left, first, sums[n / 8]);
      emulation::MultiplyAdd<T>(left, second, sums[n / 8 + 1]);
    }
  }
  for (int n = 0; n < kColumns / 8; ++n)
    for (int i = 0; i < 4; ++i) {
      const int row = 16 * static_cast<int>(blockIdx.x) + lane / 4 + i / 2 * 8;
      c[row * kColumns + n * 8 + lane % 4 * 2 + i % 2] = sums[n][i];
    }
}

}  // namespace

template <class T>
cudaError_t TileProduct(const T* a, const T* b, float* c, const ProductShape& shape,
                        cudaStream_t stream) {
  const LaunchShape launch{dim3(static_cast<unsigned>(shape.rows / 16)), dim3(32)};
  return Launch(launch, stream, &ProductKernel<T>, a, b, c, shape);
}

template cudaError_t TileProduct(const __half*, const __half*, float*, const ProductShape&,
                                 cudaStream_t);
template cudaError_t TileProduct(const __nv_fp8_e4m3*, const __nv_fp8_e4m3*, float*,
                                 const ProductShape&, cudaStream_t);
template cudaError_t TileProduct(const __nv_bfloat16*, const __nv_bfloat16*, float*,
                                 const ProductShape&, cudaStream_t);
