#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "layers/kernels/backend.h"
#include "partition/shard_plan.h"
#include "partition/slice_reader.h"

namespace lockstep {

struct NormWeights {
  Tensor weight;  // [d_model] fp32, on the backend
  Tensor bias;
};

struct LayerWeights {
  NormWeights attention_norm;
  std::optional<NormWeights> mlp_norm;
  std::unique_ptr<LinearWeight> qkv;
  std::unique_ptr<LinearWeight> attention_out;  // its bias stands below
  std::unique_ptr<LinearWeight> mlp_in;
  std::unique_ptr<LinearWeight> mlp_out;
  // Biases of the two products whose partial sums are reduced over the ranks. Added once, after
  // the reduction: on each rank they would count world_size times. May be empty.
  Tensor attention_out_bias;
  Tensor mlp_out_bias;
};

// One rank's weights, in the backend's memory.
struct ModelWeights {
  Tensor embedding;  // [local vocab rows, d_model] fp32 or bf16
  std::vector<LayerWeights> layers;
  NormWeights final_norm;
  std::unique_ptr<LinearWeight> head;
};

// Called after each layer with (done, all) steps.
using LoadProgress = std::function<void(std::int64_t done, std::int64_t all)>;

// Reads this rank's slices one after the other and hands them to the backend, so that the peak
// is the rank's weights and one matrix. Matrices are kept in `dtype` (fp32 or bf16), norms and
// biases in fp32.
ModelWeights LoadWeights(const RankSlices& slices, DType dtype, const SliceReader& read,
                         Backend& backend, const LoadProgress& progress);

}  // namespace lockstep
