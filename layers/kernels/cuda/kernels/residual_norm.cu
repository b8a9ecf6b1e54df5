// Residual addition and up to two layer norms in one pass: the row stays in registers between the
// addition, its statistics and the norms, so that x is read and written once.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/residual_row.h"

namespace lockstep::cuda {
namespace {

// The row as it is, or with a delta of which the memory is given.
template <Access kAccess>
__device__ __forceinline__ void LoadRow(const ResidualNormArgs& args, std::int64_t row,
                                        std::int64_t column, float (&x)[kRowChunk]) {
  if (args.delta == nullptr)
    return Load<kAccess>(args.x + row * args.d_model + column, args.d_model - column, x);
  AddToRow<kAccess>(
      args, row, column,
      [&](std::int64_t first, std::int64_t left, float(&delta)[kRowChunk]) {
        LoadAs<kAccess>(args.delta_type, args.delta, first, left, delta);
      },
      x);
}

template <Access kAccess, int kChunks>
__global__ void __launch_bounds__(kRowThreads) ResidualNormKernel(ResidualNormArgs args) {
  LOCKSTEP_SHARED(float[kRowThreads / kWarp], sums);
  LOCKSTEP_SHARED(float[kRowThreads / kWarp], squares);
  LetNextKernelBegin();
  PrefetchColumns<kChunks>(args);
  AwaitPriorKernels();
  const std::int64_t row =
      args.rows == nullptr ? static_cast<int>(blockIdx.x) : args.rows[blockIdx.x];
  NormaliseRow<kAccess, kChunks>(
      args,
      [&](int, std::int64_t column, float(&x)[kRowChunk]) {
        LoadRow<kAccess>(args, row, column, x);
      },
      sums, squares);
}

}  // namespace

void ResidualNorm(const ResidualNormArgs& args, cudaStream_t stream) {
  if (args.d_model > kMaxModelWidth) RefuseArguments("ResidualNorm", "d_model above 16384");
  if (args.rows != nullptr && args.delta != nullptr)
    RefuseArguments("ResidualNorm", "rows are chosen only where there is no delta");
  const LaunchShape shape{dim3(static_cast<unsigned>(args.tokens)), dim3(kRowThreads), stream};
  ForAccess(AccessOfRows(args), [&](auto kAccess) {
    ForRowChunks(args.d_model, [&](auto kChunks) {
      Launch("ResidualNorm", shape, ResidualNormKernel<decltype(kAccess)::value, kChunks()>, args);
    });
  });
}

}  // namespace lockstep::cuda
