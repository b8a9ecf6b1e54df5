#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "layers/kernels/backend.h"
#include "partition/checkpoint/slice_reader.h"
#include "partition/plan/shard_plan.h"

namespace lockstep {

struct NormWeights {
  Tensor weight;  // [d_model] fp32, on the device
  Tensor bias;
};

struct LayerWeights {
  NormWeights attention_norm;
  std::optional<NormWeights> mlp_norm;
  std::unique_ptr<LinearWeight> qkv;
  Tensor qkv_bias;  // where attention adds it (Ops::qkv_bias()); may be empty
  std::unique_ptr<LinearWeight> mlp_in;
  // The products whose sums are divided over the ranks; their biases stand below. With the
  // parallel residual they are one product over attention and MLP, so that a leaf of the summation
  // order holds its share of both; mlp_out is empty then.
  std::unique_ptr<LinearWeight> out;
  std::unique_ptr<LinearWeight> mlp_out;
  // Biases of the two products whose partial sums are reduced over the ranks. Added once, after
  // the reduction: on each rank they would count world_size times. May be empty.
  Tensor attention_out_bias;
  Tensor mlp_out_bias;
};

// One rank's weights, in the device's memory: what its slices have, and nothing of other stages.
struct ModelWeights {
  Tensor embedding;  // [local vocab rows, d_model] of TableDType()
  Tensor positions;  // [local position rows, d_model]; empty where the model has no such table
  std::vector<LayerWeights> layers;
  NormWeights final_norm;
  std::unique_ptr<LinearWeight> head;  // null where the slices have none
};

// Called after each layer with (done, all) steps.
using LoadProgress = std::function<void(std::int64_t done, std::int64_t all)>;

// Reads this rank's slices one after the other and hands them to the device, so that the peak
// is the rank's weights and one layer's matrix. Matrices are kept in `format`, the tables in
// TableDType(format), norms and biases in fp32.
ModelWeights LoadWeights(const ModelSpec& spec, const RankSlices& slices, WeightFormat format,
                         const SliceReader& read, const Backend& backend,
                         const LoadProgress& progress);

}  // namespace lockstep
