#pragma once

// How a block of the prefill kernel divides its rows, keys and shared memory.

#include "layers/kernels/cuda/kernels/device.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {

template <int kWidth>
struct PrefillTiling {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kWarpRows = kTileRows / kWarps;
  // Positions of one step of the online softmax. Fewer where heads are wide, so that the block fits
  // into the 99 KiB that compute capability 8.6 and 8.9 grant, and twice into 8.0's and 9.0's SM.
  static constexpr int kKeys = kWidth > 128 ? 32 : 64;
  // Keys and values of a step are copied while those of the one before are used.
  static constexpr int kStages = 2;

  // Eight rows that a tensor core reads together begin in different banks: rows are 16 bytes longer
  // than a head or, where there is no room for that, their 16 bytes are exchanged row by row.
  static constexpr bool kExchanges = kWidth > 128;
  static constexpr int kRowStride = kWidth + (kExchanges ? 0 : 8);
  __device__ static __forceinline__ int Place(int row, int column) {
    const int chunk = kExchanges ? (column / 8) ^ (row % 8) : column / 8;
    return row * kRowStride + chunk * 8 + column % 8;
  }

  static constexpr int kQueryElements = kTileRows * kRowStride;
  static constexpr int kKeyElements = kKeys * kRowStride;
  static constexpr int kSharedBytes = 2 * (kQueryElements + 2 * kStages * kKeyElements);
  // As many blocks as an SM's shared memory holds. Told so, the compiler takes the registers that
  // this leaves, instead of spilling some for an occupancy that is out of reach.
  static constexpr int kBlocksPerSm = kWidth > 96 ? 2 : kWidth > 32 ? 3 : 4;

  static_assert(kWarpRows == 16 && kKeys % kPageTokens == 0 && kWidth % 16 == 0);
};

}  // namespace lockstep::cuda
