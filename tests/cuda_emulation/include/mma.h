#pragma once
// Stands in for the toolkit's <mma.h>: tiles of 16 x 16 x 16 with float accumulators. Which element
// a lane holds is as opaque as on a device: element e of lane l is number 8 l + e of the tile, row
// by row.

#include <type_traits>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };

inline constexpr int kTile = 16;
inline constexpr int kLaneElements = kTile * kTile / 32;

template <class Use, int kM, int kN, int kK, class T, class Layout = void>
struct fragment {
  static_assert(kM == kTile && kN == kTile && kK == kTile, "only 16x16x16 tiles are emulated");
  static constexpr int num_elements = kLaneElements;
  using element_type = T;
  using storage_element_type = T;
  T x[num_elements];
};

template <class Use, class T, class Layout>
using Tile = fragment<Use, kTile, kTile, kTile, T, Layout>;
using AccumulatorTile = Tile<accumulator, float, void>;

inline int LaneOfThread() {
  const unsigned row = threadIdx.y + blockDim.y * threadIdx.z;
  return static_cast<int>((threadIdx.x + blockDim.x * row) % 32);
}

// The addresses of one object of each lane, after all have come here.
template <class T>
void GatherLanes(const T& mine, const T* (&all)[32], lockstep::cuda_emulation::SourceLine where) {
  using namespace lockstep::cuda_emulation;
  const WarpRequest request{WarpOperation::kGather, ~0u, reinterpret_cast<std::uintptr_t>(&mine)};
  const auto* values = reinterpret_cast<const std::uint64_t*>(RunWarpOperation(request, where));
  for (int lane = 0; lane < 32; ++lane) all[lane] = reinterpret_cast<const T*>(values[lane]);
}

// The elements of a tile as floats in row-major order, out of the fragments of all lanes.
template <class Fragment>
void Unpack(const Fragment* const (&lanes)[32], float (&tile)[kTile][kTile]) {
  for (int i = 0; i < kTile * kTile; ++i) {
    tile[i / kTile][i % kTile] = static_cast<float>(lanes[i / kLaneElements]->x[i % kLaneElements]);
  }
}

template <class Fragment>
void fill_fragment(Fragment& fragment, typename Fragment::element_type value) {
  for (auto& element : fragment.x) element = value;
}

template <class Use, class T, class Layout>
void load_matrix_sync(Tile<Use, T, Layout>& tile, const T* source, unsigned stride,
                      LOCKSTEP_EMULATION_HERE) {
  static_assert(!std::is_same_v<Use, accumulator>, "an accumulator is loaded with its layout");
  __syncwarp(~0u, emulation_where);
  for (int e = 0; e < kLaneElements; ++e) {
    const int i = LaneOfThread() * kLaneElements + e;
    const auto row = static_cast<unsigned>(i / kTile), column = static_cast<unsigned>(i % kTile);
    constexpr bool kRowMajor = std::is_same_v<Layout, row_major>;
    tile.x[e] = source[kRowMajor ? row * stride + column : column * stride + row];
  }
}

inline void load_matrix_sync(AccumulatorTile& tile, const float* source, unsigned stride,
                             layout_t layout, LOCKSTEP_EMULATION_HERE) {
  __syncwarp(~0u, emulation_where);
  for (int e = 0; e < kLaneElements; ++e) {
    const int i = LaneOfThread() * kLaneElements + e;
    const auto row = static_cast<unsigned>(i / kTile), column = static_cast<unsigned>(i % kTile);
    tile.x[e] = source[layout == mem_row_major ? row * stride + column : column * stride + row];
  }
}

inline void store_matrix_sync(float* target, const AccumulatorTile& tile, unsigned stride,
                              layout_t layout, LOCKSTEP_EMULATION_HERE) {
  for (int e = 0; e < kLaneElements; ++e) {
    const int i = LaneOfThread() * kLaneElements + e;
    const auto row = static_cast<unsigned>(i / kTile), column = static_cast<unsigned>(i % kTile);
    target[layout == mem_row_major ? row * stride + column : column * stride + row] = tile.x[e];
  }
  __syncwarp(~0u, emulation_where);
}

// What the lanes bring to one product.
template <class A, class B>
struct MmaOperands {
  const A* a;
  const B* b;
  const AccumulatorTile* c;
  AccumulatorTile* d;
};

// d = a b + c: the first lane does it for the whole warp, reading and writing the others'
// fragments.
template <class A, class B>
void MultiplyForWarp(const MmaOperands<A, B>* const (&lanes)[32]) {
  const A* a_parts[32];
  const B* b_parts[32];
  const AccumulatorTile* c_parts[32];
  for (int lane = 0; lane < 32; ++lane) {
    a_parts[lane] = lanes[lane]->a;
    b_parts[lane] = lanes[lane]->b;
    c_parts[lane] = lanes[lane]->c;
  }
  float a[kTile][kTile], b[kTile][kTile], sum[kTile][kTile] = {}, c[kTile][kTile];
  Unpack(a_parts, a);
  Unpack(b_parts, b);
  Unpack(c_parts, c);
  for (int i = 0; i < kTile; ++i) {
    for (int k = 0; k < kTile; ++k) {
      for (int j = 0; j < kTile; ++j) sum[i][j] += a[i][k] * b[k][j];
    }
  }
  for (int i = 0; i < kTile * kTile; ++i) {
    const int row = i / kTile, column = i % kTile;
    lanes[i / kLaneElements]->d->x[i % kLaneElements] = c[row][column] + sum[row][column];
  }
}

template <class T, class LayoutA, class LayoutB>
void mma_sync(AccumulatorTile& d, const Tile<matrix_a, T, LayoutA>& a,
              const Tile<matrix_b, T, LayoutB>& b, const AccumulatorTile& c,
              LOCKSTEP_EMULATION_HERE) {
  using Operands = MmaOperands<Tile<matrix_a, T, LayoutA>, Tile<matrix_b, T, LayoutB>>;
  const Operands mine{&a, &b, &c, &d};
  const Operands* all[32];
  GatherLanes(mine, all, emulation_where);
  if (LaneOfThread() == 0) MultiplyForWarp(all);
  __syncwarp(~0u, emulation_where);
}

}  // namespace nvcuda::wmma
