#pragma once

// How a block of the prefill kernel divides its rows, keys and shared memory.

#include "layers/kernels/cuda/kernels.h"

namespace lockstep::cuda {

template <int kWidth>
struct PrefillTiling {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kFragment = 16;  // rows and columns of a tensor core's tile
  static constexpr int kWarpRows = kTileRows / kWarps;
  // Positions of one step of the online softmax. Fewer where heads are wide, so that the block fits
  // into the 99 KiB that compute capability 8.6 and 8.9 grant, and twice into 8.0's and 9.0's SM.
  static constexpr int kKeys = kWidth > 128 ? 32 : 64;
  // Rows 16 bytes longer than a head: eight rows that a tensor core reads together then begin in
  // different banks, for each of the widths.
  static constexpr int kRowStride = kWidth + 8;
  static constexpr int kScoreStride = kKeys + 8;

  static constexpr int kQueryElements = kTileRows * kRowStride;
  static constexpr int kKeyElements = kKeys * kRowStride;
  static constexpr int kWarpScores = kWarpRows * kScoreStride;
  // Queries, keys, values of 2 bytes; scores of 4 bytes.
  static constexpr int kSharedBytes =
      2 * (kQueryElements + 2 * kKeyElements) + 4 * kWarps * kWarpScores;
  // As many blocks as an SM's shared memory holds. Told so, the compiler takes the registers that
  // this leaves, instead of spilling some for an occupancy that is out of reach.
  static constexpr int kBlocksPerSm = kWidth > 64 ? 2 : 3;

  static_assert(kWarpRows == kFragment);
  static_assert(kKeys % kPageTokens == 0 && kWidth % kFragment == 0);
};

}  // namespace lockstep::cuda
