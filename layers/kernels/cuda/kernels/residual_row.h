#pragma once

// A row of the residual stream in the registers of a block: what is added to it, and the norms of
// the sum. Kernels differ in where the addend comes from, and in nothing that makes bits.

#include <type_traits>

#include "layers/kernels/cuda/kernels/dispatch.h"

namespace lockstep::cuda {

inline constexpr int kRowThreads = 256;
inline constexpr int kRowChunk = 4;  // elements: 16 bytes of fp32

// Of a type that only the launch knows: the branch is the same in all threads, and costs nothing
// beside the memory. A template of it would make twelve kernels of each.
template <Access kAccess>
__device__ __forceinline__ void LoadAs(DType type, const void* from, std::int64_t first,
                                       std::int64_t left, float (&to)[kRowChunk]) {
  switch (type) {
    case DType::kBF16: return Load<kAccess>(static_cast<const BF16*>(from) + first, left, to);
    case DType::kF16: return Load<kAccess>(static_cast<const F16*>(from) + first, left, to);
    default: return Load<kAccess>(static_cast<const float*>(from) + first, left, to);
  }
}

template <Access kAccess>
__device__ __forceinline__ void StoreAs(DType type, void* to, std::int64_t first, std::int64_t left,
                                        const float (&from)[kRowChunk]) {
  switch (type) {
    case DType::kBF16: return Store<kAccess>(static_cast<BF16*>(to) + first, left, from);
    case DType::kF16: return Store<kAccess>(static_cast<F16*>(to) + first, left, from);
    default: return Store<kAccess>(static_cast<float*>(to) + first, left, from);
  }
}

template <Access kAccess>
__device__ __forceinline__ void AddColumns(const float* columns, std::int64_t column,
                                           std::int64_t left, float (&x)[kRowChunk]) {
  if (columns == nullptr) return;
  float values[kRowChunk];
  Load<kAccess>(columns + column, left, values);
#pragma unroll
  for (int i = 0; i < kRowChunk; ++i) x[i] += values[i];
}

template <Access kAccess>
__device__ __forceinline__ void StoreNorm(const ResidualNormArgs& args, const Norm& norm,
                                          std::int64_t column, const float (&normal)[kRowChunk]) {
  const std::int64_t left = args.d_model - column;
  float weight[kRowChunk], y[kRowChunk];
  Load<kAccess>(norm.weight + column, left, weight);
  Load<kAccess>(norm.bias + column, left, y);
#pragma unroll
  for (int i = 0; i < kRowChunk; ++i) y[i] = fmaf(normal[i], weight[i], y[i]);
  StoreAs<kAccess>(args.y_type, norm.y, blockIdx.x * args.d_model + column, left, y);
}

// What the row is added to and multiplied with.
template <int kChunks>
__device__ __forceinline__ void PrefetchColumns(const ResidualNormArgs& args) {
  const float* const vectors[] = {args.bias_a,        args.bias_b,          args.norms[0].weight,
                                  args.norms[0].bias, args.norms[1].weight, args.norms[1].bias};
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    const int column = (chunk * kRowThreads + static_cast<int>(threadIdx.x)) * kRowChunk;
    if (threadIdx.x % 8 != 0 || column >= args.d_model) continue;  // one thread for each 128 bytes
#pragma unroll
    for (const float* vector : vectors)
      if (vector != nullptr) Prefetch(vector + column);
  }
}

// x = the row plus biases and whatever `addend` says of the chunk at a column; kept in memory.
template <Access kAccess, typename Addend>
__device__ __forceinline__ void AddToRow(const ResidualNormArgs& args, std::int64_t row,
                                         std::int64_t column, const Addend& addend,
                                         float (&x)[kRowChunk]) {
  const std::int64_t left = args.d_model - column, first = row * args.d_model + column;
  Load<kAccess>(args.x + first, left, x);
  float delta[kRowChunk];
  addend(first, left, delta);
#pragma unroll
  for (int i = 0; i < kRowChunk; ++i) x[i] += delta[i];
  AddColumns<kAccess>(args.bias_a, column, left, x);
  AddColumns<kAccess>(args.bias_b, column, left, x);
  Store<kAccess>(args.x + first, left, x);
}

// The norms of the row of which `load` brings each chunk, as row blockIdx.x of their results. A
// block for each row; a thread holds kChunks chunks of it, kRowThreads * kRowChunk columns apart.
// Every thread of the block calls it. sums, squares: shared memory, of an element for each warp.
template <Access kAccess, int kChunks, typename LoadChunk>
__device__ __forceinline__ void NormaliseRow(const ResidualNormArgs& args, const LoadChunk& load,
                                             float* sums, float* squares) {
  const auto column = [](int chunk) {
    return (static_cast<std::int64_t>(chunk) * kRowThreads + threadIdx.x) * kRowChunk;
  };
  float x[kChunks][kRowChunk] = {};
  float sum = 0.0f;
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    if (column(chunk) >= args.d_model) continue;
    load(chunk, column(chunk), x[chunk]);
#pragma unroll
    for (int i = 0; i < kRowChunk; ++i) sum += x[chunk][i];  // beyond the row are zeros
  }
  if (args.norms[0].y == nullptr && args.norms[1].y == nullptr) return;  // all threads
  const auto width = static_cast<float>(args.d_model);
  const float mean = BlockSum<kRowThreads>(sum, sums) / width;
  // From the differences, and not from the sum of squares, which cancels where the mean is large.
  float square = 0.0f;
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk)
#pragma unroll
    for (int i = 0; i < kRowChunk; ++i) {
      if (column(chunk) + i >= args.d_model) continue;
      x[chunk][i] -= mean;
      square += x[chunk][i] * x[chunk][i];
    }
  const float scale = rsqrtf(BlockSum<kRowThreads>(square, squares) / width + args.epsilon);
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    if (column(chunk) >= args.d_model) continue;
#pragma unroll
    for (int i = 0; i < kRowChunk; ++i) x[chunk][i] *= scale;
    if (args.norms[0].y != nullptr)
      StoreNorm<kAccess>(args, args.norms[0], column(chunk), x[chunk]);
    if (args.norms[1].y != nullptr)
      StoreNorm<kAccess>(args, args.norms[1], column(chunk), x[chunk]);
  }
}

// The number of chunks of a thread for rows of this width, as a template argument: 1,024 columns
// (small models), 4,096 (GPT-J), 8,192 (Pythia-12B, GPT-NeoX-20B), and the rest.
template <typename F>
void ForRowChunks(std::int64_t d_model, F f) {
  constexpr std::int64_t kColumns = kRowThreads * kRowChunk;
  if (d_model <= kColumns) return f(std::integral_constant<int, 1>{});
  if (d_model <= 4 * kColumns) return f(std::integral_constant<int, 4>{});
  if (d_model <= 8 * kColumns) return f(std::integral_constant<int, 8>{});
  f(std::integral_constant<int, 16>{});
}

// Vectors, where all that a row is made of allows them.
inline Access AccessOfRows(const ResidualNormArgs& args) {
  return AccessOf(args.d_model, args.x, args.delta, args.bias_a, args.bias_b, args.norms[0].weight,
                  args.norms[0].bias, args.norms[0].y, args.norms[1].weight, args.norms[1].bias,
                  args.norms[1].y);
}

}  // namespace lockstep::cuda
