// From the QKV product to what attention reads: bias, rotation, and the append to the cache, in one
// pass over the product.
#include <cuda_runtime.h>

#include "layers/kernels/cuda/attention/cache.h"
#include "layers/kernels/cuda/attention/head_width.h"
#include "layers/kernels/cuda/kernels/dispatch.h"

namespace lockstep::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kBlocksPerSm = 8;  // told so, the compiler takes 64 registers and spills none
constexpr int kChunk = 8;
constexpr int kMaxWidth = 256;
// So neighbouring chunks of one part lie in different lanes, and a lane has one at most.
static_assert(kMaxWidth / kChunk <= kWarp);

// Elements of a row of qkv: from one head to the next, and from a head's q to its k (v: twice).
struct HeadLayout {
  std::int64_t head_stride;
  std::int64_t part_stride;
};

HeadLayout LayoutOf(const RotaryAppendArgs& args) {
  const std::int64_t d_head = args.cache.d_head, local_heads = args.cache.local_heads;
  if (args.layout == QkvLayout::kFusedPerHead) return {3 * d_head, d_head};
  return {d_head, local_heads * d_head};
}

// What element i of a head becomes, of all of the head's elements.
__device__ __forceinline__ float Rotated(const RotaryAppendArgs& args, const float* head, int i,
                                         std::int64_t position) {
  const auto dims = static_cast<int>(args.rotary_dims);
  if (i >= dims) return head[i];
  const int half = dims / 2;
  const bool interleaved = args.rotary == RotaryKind::kInterleaved;
  const int pair = interleaved ? i / 2 : i < half ? i : i - half;
  const int first = interleaved ? 2 * pair : pair, second = interleaved ? first + 1 : pair + half;
  const float cos = args.cos[position * half + pair], sin = args.sin[position * half + pair];
  return i == first ? head[first] * cos - head[second] * sin
                    : head[second] * cos + head[first] * sin;
}

// A warp for each row and head. q and k go through shared memory, since an element's partner lies
// where rotary_dims puts it, seldom in the same vector; v passes through.
template <Access kAccess, typename T, typename C>
__global__ void __launch_bounds__(kWarps* kWarp, kBlocksPerSm)
    RotaryAppendKernel(RotaryAppendArgs args, HeadLayout layout, int width) {
  LOCKSTEP_SHARED(float[kWarps][2][kMaxWidth], heads);
  LetNextKernelBegin();
  const int warp = static_cast<int>(threadIdx.x) / kWarp,
            lane = static_cast<int>(threadIdx.x) % kWarp;
  // In 32 bits: a long division takes as long as all else here.
  const unsigned item = blockIdx.x * kWarps + static_cast<unsigned>(warp);
  const auto heads_of_row = static_cast<unsigned>(args.cache.local_heads);
  const std::int64_t token = item / heads_of_row, head = item % heads_of_row;
  const std::int32_t sequence = token < args.tokens ? args.rows.sequence_of[token] : -1;
  std::int64_t position = 0, page = 0;
  if (sequence >= 0) {
    position = args.rows.position_of[token];
    page = args.rows.page_tables[sequence * args.rows.page_table_stride + position / kPageTokens];
    const std::int64_t pairs = args.rotary_dims / 2;
    if (lane * 32 < pairs) {
      Prefetch(args.cos + position * pairs + lane * 32);
      Prefetch(args.sin + position * pairs + lane * 32);
    }
  }
  AwaitPriorKernels();
  // No barrier of the block below: whole warps may leave.
  if (sequence < 0) return;
  const auto d_head = static_cast<int>(args.cache.d_head);
  const std::int64_t row_width = 3 * args.cache.local_heads * args.cache.d_head;
  const T* qkv = static_cast<const T*>(args.qkv) + token * row_width;
  const auto append = [&](CachePart part, const CacheChunk& chunk) {
    C* rows = static_cast<C*>(args.cache.pages) +
              PageOffset<C>(page, part, head, args.cache.local_heads, width);
    StoreRow(chunk, rows, width, static_cast<int>(position % kPageTokens));
  };
  CacheChunk value;
  for (int chunk = lane; chunk < 3 * (width / kChunk); chunk += kWarp) {
    const int part = chunk / (width / kChunk), column = chunk % (width / kChunk) * kChunk;
    const std::int64_t at = head * layout.head_stride + part * layout.part_stride + column;
    float values[kChunk] = {}, bias[kChunk] = {};
    if (column < d_head) {
      Load<kAccess>(qkv + at, d_head - column, values);
      if (args.bias != nullptr) Load<kAccess>(args.bias + at, d_head - column, bias);
    }
#pragma unroll
    for (int i = 0; i < kChunk; ++i) values[i] += bias[i];
    if (part < 2) {
      Store<Access::kVectors>(&heads[warp][part][column], kChunk, values);
      continue;
    }
    value.column = column;
#pragma unroll
    for (int i = 0; i < kChunk; ++i) value.values[i] = values[i];
  }
  append(CachePart::kValue, value);
  __syncwarp();
  CacheChunk key;
  for (int chunk = lane; chunk < 2 * (width / kChunk); chunk += kWarp) {
    const int part = chunk / (width / kChunk), column = chunk % (width / kChunk) * kChunk;
    float values[kChunk];
#pragma unroll
    for (int i = 0; i < kChunk; ++i)
      values[i] = Rotated(args, heads[warp][part], column + i, position);
    if (part == 0) {
      T* q = static_cast<T*>(args.q) + (token * args.cache.local_heads + head) * width + column;
      Store<Access::kVectors>(q, kChunk, values);
      continue;
    }
    key.column = column;
#pragma unroll
    for (int i = 0; i < kChunk; ++i) key.values[i] = values[i];
  }
  append(CachePart::kKey, key);
}

}  // namespace

void RotaryAppend(const RotaryAppendArgs& args, cudaStream_t stream) {
  const std::int64_t width = HeadWidth(args.cache.d_head);
  const LaunchShape shape{dim3(BlocksFor(args.tokens * args.cache.local_heads, kWarps)),
                          dim3(kWarps * kWarp), stream};
  ForCacheType(args.type, args.cache.format, "RotaryAppend", [&](auto type, auto cache_type) {
    ForAccess(AccessOf(args.cache.d_head, args.qkv, args.bias), [&](auto access) {
      Launch("RotaryAppend", shape,
             RotaryAppendKernel<access(), decltype(type), decltype(cache_type)>, args,
             LayoutOf(args), static_cast<int>(width));
    });
  });
}

}  // namespace lockstep::cuda
