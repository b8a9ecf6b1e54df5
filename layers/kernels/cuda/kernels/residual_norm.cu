// Residual addition and up to two layer norms in one pass: the row stays in registers between the
// addition, its statistics and the norms, so that x is read and written once.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kChunk = 4;  // elements: 16 bytes of fp32

// Of a type that only the launch knows: the branch is the same in all threads, and costs nothing
// beside the memory. A template of it would make twelve kernels of each.
template <Access kAccess>
__device__ __forceinline__ void LoadAs(DType type, const void* from, std::int64_t first,
                                       std::int64_t left, float (&to)[kChunk]) {
  switch (type) {
    case DType::kBF16: return Load<kAccess>(static_cast<const BF16*>(from) + first, left, to);
    case DType::kF16: return Load<kAccess>(static_cast<const F16*>(from) + first, left, to);
    default: return Load<kAccess>(static_cast<const float*>(from) + first, left, to);
  }
}

template <Access kAccess>
__device__ __forceinline__ void StoreAs(DType type, void* to, std::int64_t first, std::int64_t left,
                                        const float (&from)[kChunk]) {
  switch (type) {
    case DType::kBF16: return Store<kAccess>(static_cast<BF16*>(to) + first, left, from);
    case DType::kF16: return Store<kAccess>(static_cast<F16*>(to) + first, left, from);
    default: return Store<kAccess>(static_cast<float*>(to) + first, left, from);
  }
}

template <Access kAccess>
__device__ __forceinline__ void AddColumns(const float* columns, std::int64_t column,
                                           std::int64_t left, float (&x)[kChunk]) {
  if (columns == nullptr) return;
  float values[kChunk];
  Load<kAccess>(columns + column, left, values);
#pragma unroll
  for (int i = 0; i < kChunk; ++i) x[i] += values[i];
}

// x += delta + biases for the chunk at `column`; kept in memory where there is a delta.
template <Access kAccess>
__device__ __forceinline__ void LoadRow(const ResidualNormArgs& args, std::int64_t row,
                                        std::int64_t column, float (&x)[kChunk]) {
  const std::int64_t left = args.d_model - column, first = row * args.d_model + column;
  Load<kAccess>(args.x + first, left, x);
  if (args.delta == nullptr) return;
  float delta[kChunk];
  LoadAs<kAccess>(args.delta_type, args.delta, first, left, delta);
#pragma unroll
  for (int i = 0; i < kChunk; ++i) x[i] += delta[i];
  AddColumns<kAccess>(args.bias_a, column, left, x);
  AddColumns<kAccess>(args.bias_b, column, left, x);
  Store<kAccess>(args.x + first, left, x);
}

template <Access kAccess>
__device__ __forceinline__ void StoreNorm(const ResidualNormArgs& args, const Norm& norm,
                                          std::int64_t column, const float (&normal)[kChunk]) {
  const std::int64_t left = args.d_model - column;
  float weight[kChunk], y[kChunk];
  Load<kAccess>(norm.weight + column, left, weight);
  Load<kAccess>(norm.bias + column, left, y);
#pragma unroll
  for (int i = 0; i < kChunk; ++i) y[i] = fmaf(normal[i], weight[i], y[i]);
  StoreAs<kAccess>(args.y_type, norm.y, blockIdx.x * args.d_model + column, left, y);
}

// What the row is added to and multiplied with.
template <int kChunks>
__device__ __forceinline__ void PrefetchColumns(const ResidualNormArgs& args) {
  const float* const vectors[] = {args.bias_a,        args.bias_b,          args.norms[0].weight,
                                  args.norms[0].bias, args.norms[1].weight, args.norms[1].bias};
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    const int column = (chunk * kThreads + static_cast<int>(threadIdx.x)) * kChunk;
    if (threadIdx.x % 8 != 0 || column >= args.d_model) continue;  // one thread for each 128 bytes
#pragma unroll
    for (const float* vector : vectors)
      if (vector != nullptr) Prefetch(vector + column);
  }
}

// A block for each row; a thread holds kChunks chunks of it, kThreads * kChunk columns apart.
template <Access kAccess, int kChunks>
__global__ void __launch_bounds__(kThreads) ResidualNormKernel(ResidualNormArgs args) {
  LOCKSTEP_SHARED(float[kThreads / kWarp], sums);
  LOCKSTEP_SHARED(float[kThreads / kWarp], squares);
  LetNextKernelBegin();
  PrefetchColumns<kChunks>(args);
  AwaitPriorKernels();
  const std::int64_t row =
      args.rows == nullptr ? static_cast<int>(blockIdx.x) : args.rows[blockIdx.x];
  const auto column = [](int chunk) {
    return (static_cast<std::int64_t>(chunk) * kThreads + threadIdx.x) * kChunk;
  };
  float x[kChunks][kChunk] = {};
  float sum = 0.0f;
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    if (column(chunk) >= args.d_model) continue;
    LoadRow<kAccess>(args, row, column(chunk), x[chunk]);
#pragma unroll
    for (int i = 0; i < kChunk; ++i) sum += x[chunk][i];  // beyond the row are zeros
  }
  if (args.norms[0].y == nullptr && args.norms[1].y == nullptr) return;  // all threads
  const auto width = static_cast<float>(args.d_model);
  const float mean = BlockSum<kThreads>(sum, sums) / width;
  // From the differences, and not from the sum of squares, which cancels where the mean is large.
  float square = 0.0f;
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk)
#pragma unroll
    for (int i = 0; i < kChunk; ++i) {
      if (column(chunk) + i >= args.d_model) continue;
      x[chunk][i] -= mean;
      square += x[chunk][i] * x[chunk][i];
    }
  const float scale = rsqrtf(BlockSum<kThreads>(square, squares) / width + args.epsilon);
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    if (column(chunk) >= args.d_model) continue;
#pragma unroll
    for (int i = 0; i < kChunk; ++i) x[chunk][i] *= scale;
    if (args.norms[0].y != nullptr)
      StoreNorm<kAccess>(args, args.norms[0], column(chunk), x[chunk]);
    if (args.norms[1].y != nullptr)
      StoreNorm<kAccess>(args, args.norms[1], column(chunk), x[chunk]);
  }
}

template <Access kAccess>
void LaunchFor(const ResidualNormArgs& args, cudaStream_t stream) {
  const LaunchShape shape{dim3(static_cast<unsigned>(args.tokens)), dim3(kThreads), stream};
  const std::int64_t chunks = BlocksFor(args.d_model, kThreads * kChunk);
  // 1,024 columns (small models), 4,096 (GPT-J), 8,192 (Pythia-12B, GPT-NeoX-20B), and the rest.
  if (chunks <= 1) return Launch("ResidualNorm", shape, ResidualNormKernel<kAccess, 1>, args);
  if (chunks <= 4) return Launch("ResidualNorm", shape, ResidualNormKernel<kAccess, 4>, args);
  if (chunks <= 8) return Launch("ResidualNorm", shape, ResidualNormKernel<kAccess, 8>, args);
  Launch("ResidualNorm", shape, ResidualNormKernel<kAccess, 16>, args);
}

}  // namespace

void ResidualNorm(const ResidualNormArgs& args, cudaStream_t stream) {
  if (args.d_model > kMaxModelWidth) RefuseArguments("ResidualNorm", "d_model above 16384");
  if (args.rows != nullptr && args.delta != nullptr)
    RefuseArguments("ResidualNorm", "rows are chosen only where there is no delta");
  const Access access = AccessOf(args.d_model, args.x, args.delta, args.bias_a, args.bias_b,
                                 args.norms[0].weight, args.norms[0].bias, args.norms[0].y,
                                 args.norms[1].weight, args.norms[1].bias, args.norms[1].y);
  ForAccess(access, [&](auto kAccess) { LaunchFor<kAccess()>(args, stream); });
}

}  // namespace lockstep::cuda
