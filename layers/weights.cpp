#include "layers/weights.h"

#include <utility>

namespace lockstep {
namespace {

// Ranges of heads or columns as ranges of this rank's inputs.
std::vector<Range> LocalInputs(const std::vector<Range>& leaves, std::int64_t width) {
  std::vector<Range> local;
  const std::int64_t first = leaves.front().begin;
  for (const Range& leaf : leaves)
    local.push_back({(leaf.begin - first) * width, (leaf.end - first) * width});
  return local;
}

class Loader {
 public:
  Loader(const ModelSpec& spec, const RankSlices& slices, WeightFormat format,
         const SliceReader& read, const Backend& backend)
      : spec_(spec),
        head_leaves_(LocalInputs(slices.head_leaves, spec.d_head())),
        ffn_leaves_(LocalInputs(slices.ffn_leaves, 1)),
        format_(format),
        read_(read),
        device_(*backend.device),
        ops_(*backend.ops) {}

  Tensor Vector(const TensorSlice& slice) const {
    return ToDevice(ReadStacked({&slice, 1}, DType::kF32));
  }

  // A bias that is added after the reduction; an empty tensor where the model has none.
  Tensor Bias(const LinearSlices& slices) const {
    return slices.bias.empty() ? Tensor() : Vector(slices.bias.front());
  }

  Tensor Table(const TensorSlice& slice) const {
    return ToDevice(ReadStacked({&slice, 1}, TableDType(format_)));
  }

  NormWeights Norm(const NormSlices& slices) const {
    return {.weight = Vector(slices.weight), .bias = Vector(slices.bias)};
  }

  // Divided by outputs, with its bias.
  std::unique_ptr<LinearWeight> ByOutputs(const LinearSlices& slices) const {
    LinearSource source{.parts = {}, .bias = {}, .format = format_};
    source.parts.push_back({ReadStacked(slices.weight, SourceDType(format_)), {}});
    if (!slices.bias.empty()) source.bias = ReadStacked(slices.bias, DType::kF32);
    return ops_.MakeLinear(std::move(source));
  }

  // The same, its bias where the operations want it.
  void LoadQkv(const LinearSlices& slices, LayerWeights& layer) const {
    LinearSlices product = slices;
    if (ops_.qkv_bias() == QkvBias::kInAttention && !slices.bias.empty()) {
      layer.qkv_bias = ToDevice(ReadStacked(slices.bias, DType::kF32));
      product.bias.clear();
    }
    layer.qkv = ByOutputs(product);
  }

  // Divided by inputs, without biases.
  void LoadOut(const LayerSlices& slices, LayerWeights& layer) const {
    LinearPart attention{ReadStacked(slices.attention_out.weight, SourceDType(format_)),
                         head_leaves_};
    LinearPart mlp{ReadStacked(slices.mlp_out.weight, SourceDType(format_)), ffn_leaves_};
    std::vector<LinearPart> parts;
    parts.push_back(std::move(attention));
    if (spec_.parallel_residual) parts.push_back(std::move(mlp));
    layer.out = ops_.MakeLinear({.parts = std::move(parts), .bias = {}, .format = format_});
    layer.attention_out_bias = Bias(slices.attention_out);
    layer.mlp_out_bias = Bias(slices.mlp_out);
    if (spec_.parallel_residual) return;
    parts.clear();
    parts.push_back(std::move(mlp));
    layer.mlp_out = ops_.MakeLinear({.parts = std::move(parts), .bias = {}, .format = format_});
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

  Tensor ToDevice(const Tensor& host) const {
    Tensor device = device_.Allocate(host.view().dtype(), host.view().shape());
    device_.Upload(host.view(), device.view());
    return device;
  }

  const ModelSpec& spec_;
  std::vector<Range> head_leaves_;
  std::vector<Range> ffn_leaves_;
  WeightFormat format_;
  const SliceReader& read_;
  Device& device_;
  Ops& ops_;
};

LayerWeights LoadLayer(const LayerSlices& slices, const Loader& loader) {
  LayerWeights layer;
  layer.attention_norm = loader.Norm(slices.attention_norm);
  if (slices.mlp_norm) layer.mlp_norm = loader.Norm(*slices.mlp_norm);
  loader.LoadQkv(slices.qkv, layer);
  layer.mlp_in = loader.ByOutputs(slices.mlp_in);
  loader.LoadOut(slices, layer);
  return layer;
}

}  // namespace

ModelWeights LoadWeights(const ModelSpec& spec, const RankSlices& slices, WeightFormat format,
                         const SliceReader& read, const Backend& backend,
                         const LoadProgress& progress) {
  const Loader loader(spec, slices, format, read, backend);
  const auto all = static_cast<std::int64_t>(slices.layers.size()) + 2;
  std::int64_t done = 0;
  const auto step = [&] {
    if (progress) progress(++done, all);
  };
  ModelWeights weights;
  // The largest matrix first: while it is brought into its form it is there twice, and so far there
  // is nothing beside it.
  if (!slices.head.weight.empty()) weights.head = loader.ByOutputs(slices.head);
  step();
  if (slices.embedding.elements() > 0) weights.embedding = loader.Table(slices.embedding);
  if (slices.positions) weights.positions = loader.Table(*slices.positions);
  step();
  for (const LayerSlices& layer : slices.layers) {
    weights.layers.push_back(LoadLayer(layer, loader));
    step();
  }
  if (slices.final_norm.weight.elements() > 0) weights.final_norm = loader.Norm(slices.final_norm);
  return weights;
}

}  // namespace lockstep
