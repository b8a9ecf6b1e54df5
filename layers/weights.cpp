#include "layers/weights.h"

#include <utility>

namespace lockstep {
namespace {

class Loader {
 public:
  Loader(DType dtype, const SliceReader& read, Backend& backend)
      : dtype_(dtype), read_(read), backend_(backend) {}

  Tensor Vector(const TensorSlice& slice) const {
    return ToBackend(ReadStacked({&slice, 1}, DType::kF32));
  }

  // A bias that is added after the reduction; an empty tensor where the model has none.
  Tensor Bias(const LinearSlices& slices) const {
    return slices.bias.empty() ? Tensor() : Vector(slices.bias.front());
  }

  Tensor Matrix(const TensorSlice& slice) const {
    return ToBackend(ReadStacked({&slice, 1}, dtype_));
  }

  NormWeights Norm(const NormSlices& slices) const {
    return {.weight = Vector(slices.weight), .bias = Vector(slices.bias)};
  }

  enum class BiasPlace { kInLinear, kAfterReduce };
  std::unique_ptr<LinearWeight> Linear(const LinearSlices& slices, BiasPlace bias) const {
    Tensor stacked = ReadStacked(slices.weight, dtype_);
    const bool fused = bias == BiasPlace::kInLinear && !slices.bias.empty();
    return backend_.MakeLinear(std::move(stacked),
                               fused ? ReadStacked(slices.bias, DType::kF32) : Tensor());
  }

 private:
  // The parts below each other in one host tensor.
  Tensor ReadStacked(std::span<const TensorSlice> parts, DType dtype) const {
    std::int64_t rows = 0;
    for (const TensorSlice& part : parts) rows += part.rows.size();
    const bool vector = parts.front().shape.rank() == 1;
    const std::int64_t columns = parts.front().columns.size();
    Tensor tensor = Tensor::OnHost(dtype, vector ? Shape{rows} : Shape{rows, columns});
    std::int64_t row = 0;
    for (const TensorSlice& part : parts) {
      read_(part, tensor.view().Rows(row, part.rows.size()));
      row += part.rows.size();
    }
    return tensor;
  }

  Tensor ToBackend(const Tensor& host) const {
    Tensor device = backend_.Allocate(host.view().dtype(), host.view().shape());
    backend_.Upload(host.view(), device.view());
    return device;
  }

  DType dtype_;
  const SliceReader& read_;
  Backend& backend_;
};

LayerWeights LoadLayer(const LayerSlices& slices, const Loader& loader) {
  using enum Loader::BiasPlace;
  LayerWeights layer;
  layer.attention_norm = loader.Norm(slices.attention_norm);
  if (slices.mlp_norm) layer.mlp_norm = loader.Norm(*slices.mlp_norm);
  layer.qkv = loader.Linear(slices.qkv, kInLinear);
  layer.attention_out = loader.Linear(slices.attention_out, kAfterReduce);
  layer.attention_out_bias = loader.Bias(slices.attention_out);
  layer.mlp_in = loader.Linear(slices.mlp_in, kInLinear);
  layer.mlp_out = loader.Linear(slices.mlp_out, kAfterReduce);
  layer.mlp_out_bias = loader.Bias(slices.mlp_out);
  return layer;
}

}  // namespace

ModelWeights LoadWeights(const RankSlices& slices, DType dtype, const SliceReader& read,
                         Backend& backend, const LoadProgress& progress) {
  const Loader loader(dtype, read, backend);
  const auto all = static_cast<std::int64_t>(slices.layers.size()) + 2;
  std::int64_t done = 0;
  const auto step = [&] {
    if (progress) progress(++done, all);
  };
  ModelWeights weights;
  weights.embedding = loader.Matrix(slices.embedding);
  step();
  for (const LayerSlices& layer : slices.layers) {
    weights.layers.push_back(LoadLayer(layer, loader));
    step();
  }
  weights.final_norm = loader.Norm(slices.final_norm);
  weights.head = loader.Linear(slices.head, Loader::BiasPlace::kInLinear);
  step();
  return weights;
}

}  // namespace lockstep
