// The operations on rows: all are bound by memory, so what counts is that every byte moves once, in
// accesses of 16 bytes by neighbouring threads.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/kernels/dispatch.h"
#include "layers/kernels/cuda/kernels/gelu.h"

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kChunk = 8;  // elements of a thread: 16 bytes of bf16

// One block for each row and kThreads * kChunk columns.
dim3 ChunkGrid(std::int64_t rows, std::int64_t columns) {
  return dim3(static_cast<unsigned>(rows), BlocksFor(columns, kThreads * kChunk));
}

__device__ __forceinline__ std::int64_t ChunkColumn() {
  return (static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x) * kChunk;
}

template <Access kAccess, typename T>
__global__ void __launch_bounds__(kThreads) EmbedKernel(EmbedArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const std::int64_t token = blockIdx.x, column = ChunkColumn();
  if (column >= args.d_model) return;
  const std::int64_t row = args.ids[token] - args.first_row, left = args.d_model - column;
  float values[kChunk] = {};
  if (row >= 0 && row < args.row_count)
    Load<kAccess>(static_cast<const T*>(args.table) + row * args.d_model + column, left, values);
  if (args.positions != nullptr && args.sequence_of[token] >= 0) {
    const std::int64_t position = args.position_of[token] - args.first_position;
    float learned[kChunk] = {};
    if (position >= 0 && position < args.position_count)
      Load<kAccess>(static_cast<const T*>(args.positions) + position * args.d_model + column, left,
                    learned);
#pragma unroll
    for (int i = 0; i < kChunk; ++i) values[i] += learned[i];
  }
  Store<kAccess>(args.y + token * args.d_model + column, left, values);
}

template <Access kAccess, typename T>
__global__ void __launch_bounds__(kThreads) BiasGeluKernel(BiasGeluArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const std::int64_t token = blockIdx.x, column = ChunkColumn();
  if (column >= args.columns) return;
  T* x = static_cast<T*>(args.x) + token * args.columns + column;
  const std::int64_t left = args.columns - column;
  float values[kChunk], bias[kChunk] = {};
  Load<kAccess>(x, left, values);
  if (args.bias != nullptr) Load<kAccess>(args.bias + column, left, bias);
#pragma unroll
  for (int i = 0; i < kChunk; ++i) values[i] = Activate(args.gelu, values[i] + bias[i]);
  Store<kAccess>(x, left, values);
}

template <Access kAccess>
__global__ void __launch_bounds__(kThreads) SelectRowsKernel(SelectRowsArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const std::int64_t row = blockIdx.x, column = ChunkColumn();
  if (column >= args.width) return;
  float values[kChunk];
  Load<kAccess>(args.x + args.rows[row] * args.width + column, args.width - column, values);
  Store<kAccess>(args.y + row * args.width + column, args.width - column, values);
}

template <Access kAccess, typename From, typename To>
__global__ void __launch_bounds__(kThreads) ConvertKernel(ConvertArgs args) {
  LetNextKernelBegin();
  AwaitPriorKernels();
  const std::int64_t first =
      (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kChunk;
  if (first >= args.count) return;
  float values[kChunk];
  Load<kAccess>(static_cast<const From*>(args.from) + first, args.count - first, values);
  Store<kAccess>(static_cast<To*>(args.to) + first, args.count - first, values);
}

}  // namespace

void Embed(const EmbedArgs& args, cudaStream_t stream) {
  const LaunchShape shape{ChunkGrid(args.tokens, args.d_model), dim3(kThreads), stream};
  ForFloatType(args.table_type, "Embed", [&](auto type) {
    ForAccess(AccessOf(args.d_model, args.table, args.positions, args.y), [&](auto access) {
      Launch("Embed", shape, EmbedKernel<access(), decltype(type)>, args);
    });
  });
}

void BiasGelu(const BiasGeluArgs& args, cudaStream_t stream) {
  const LaunchShape shape{ChunkGrid(args.tokens, args.columns), dim3(kThreads), stream};
  ForFloatType(args.x_type, "BiasGelu", [&](auto type) {
    ForAccess(AccessOf(args.columns, args.x, args.bias), [&](auto access) {
      Launch("BiasGelu", shape, BiasGeluKernel<access(), decltype(type)>, args);
    });
  });
}

void SelectRows(const SelectRowsArgs& args, cudaStream_t stream) {
  const LaunchShape shape{ChunkGrid(args.count, args.width), dim3(kThreads), stream};
  ForAccess(AccessOf(args.width, args.x, args.y),
            [&](auto access) { Launch("SelectRows", shape, SelectRowsKernel<access()>, args); });
}

void Convert(const ConvertArgs& args, cudaStream_t stream) {
  const LaunchShape shape{dim3(BlocksFor(args.count, kThreads * kChunk)), dim3(kThreads), stream};
  ForFloatType(args.from_type, "Convert", [&](auto from) {
    ForFloatType(args.to_type, "Convert", [&](auto to) {
      ForAccess(AccessOf(args.count, args.from, args.to), [&](auto access) {
        Launch("Convert", shape, ConvertKernel<access(), decltype(from), decltype(to)>, args);
      });
    });
  });
}

}  // namespace lockstep::cuda
