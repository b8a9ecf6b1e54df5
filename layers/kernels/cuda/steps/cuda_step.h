#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "layers/kernels/cuda/cuda_stream.h"
#include "layers/kernels/cuda/kernels/kernels.h"
#include "layers/kernels/cuda/kernels/sum_order.h"
#include "layers/kernels/step_inputs.h"

namespace lockstep::cuda {

// What attention has to know of a batch, on the device. Rows of prompts are computed in tiles,
// single rows one by one, or by SumOrder::kFixed in tiles of their own.
struct BatchOnDevice {
  BatchRows rows;
  const PrefillTile* tiles = nullptr;
  std::int64_t tile_count = 0;
  // Rows of the batch that are their sequence's only one; -1: none.
  const std::int32_t* single_rows = nullptr;
  std::int64_t single_count = 0;
  std::int64_t max_positions = 0;  // of single rows; by SumOrder::kFixed of all
};

// Steps in which every sequence has one new token, and wants its logits, are brought to few shapes
// by rows of no sequence, so that a recorded step serves many. rows: 1, 2, 4 and multiples of 8;
// 0: not such a step. max_positions: a power of two that no position reaches.
struct StepBucket {
  std::int64_t rows = 0;
  std::int64_t max_positions = 0;
};
StepBucket BucketOf(const StepInputs& inputs);
inline constexpr std::int64_t kMaxBucketRows = 256;
// Of a bucket for that many rows, at most kMaxBucketRows.
std::int64_t BucketRows(std::int64_t rows);
// The most positions of a bucket for sequences of at most so many.
std::int64_t BucketPositions(std::int64_t positions);

// The inputs of a step, in the device's memory: packed and sent in one piece, once for all layers.
// Those of a bucket lie where they lay in the step before of that bucket, unless memory has been
// freed since.
class CudaStep {
 public:
  CudaStep(CudaStream& stream, SumOrder order) : stream_(stream), order_(order), staging_(stream) {}

  // So that no step within these limits allocates.
  void Reserve(const StepLimits& limits);
  // Sends the inputs, filled up to their bucket where they have no parts.
  StepRows Begin(const StepInputs& inputs);
  // Of what Begin() has sent.
  const StepBucket& bucket() const { return bucket_; }

  // What was sent, when this is what was sent; else it is sent now, in place of it.
  const std::int32_t* Ids(std::span<const std::int32_t> ids);
  const std::int32_t* LogitRows(std::span<const std::int64_t> rows);
  const BatchOnDevice& Batch(std::span<const SequenceRows> sequences);

 private:
  struct SentPart {
    std::span<const SequenceRows> sequences;
    BatchOnDevice batch;
  };

  void Send(const StepInputs& inputs, const StepBucket& bucket);

  CudaStream& stream_;
  const SumOrder order_;
  PinnedTurns staging_;
  Scratch memory_;
  Scratch bucket_memory_;
  StepInputs sent_;
  StepBucket bucket_;
  const std::int32_t* ids_ = nullptr;
  const std::int32_t* logit_rows_ = nullptr;
  BatchOnDevice batch_;
  std::vector<SentPart> parts_;
};

}  // namespace lockstep::cuda
