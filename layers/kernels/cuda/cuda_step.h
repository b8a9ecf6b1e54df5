#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "layers/kernels/backend.h"
#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/cuda/kernels.h"

namespace lockstep::cuda {

// What attention has to know of a batch, on the device. Rows of prompts are computed in tiles,
// single rows one by one.
struct BatchOnDevice {
  BatchRows rows;
  const PrefillTile* tiles = nullptr;
  std::int64_t tile_count = 0;
  const std::int32_t* single_rows =
      nullptr;  // rows of the batch that are their sequence's only one
  std::int64_t single_count = 0;
  std::int64_t max_positions = 0;  // of single rows
};

// The inputs of a step, in the device's memory: packed and sent in one piece, once for all layers.
class CudaStep {
 public:
  explicit CudaStep(CudaStream& stream) : stream_(stream), staging_(stream) {}

  void Send(const StepInputs& inputs);

  // What was sent, when this is what was sent; else it is sent now, in place of it.
  const std::int32_t* Ids(std::span<const std::int32_t> ids);
  const std::int32_t* LogitRows(std::span<const std::int64_t> rows);
  const BatchOnDevice& Batch(std::span<const SequenceRows> sequences);

 private:
  CudaStream& stream_;
  PinnedTurns staging_;
  Scratch memory_;
  StepInputs sent_;
  const std::int32_t* ids_ = nullptr;
  const std::int32_t* logit_rows_ = nullptr;
  BatchOnDevice batch_;
};

}  // namespace lockstep::cuda
