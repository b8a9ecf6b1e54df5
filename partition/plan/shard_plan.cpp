#include "partition/plan/shard_plan.h"

#include "core/error.h"
#include "partition/model/architecture.h"

namespace lockstep {
namespace {

TensorSlice Vector(std::string name, std::int64_t size, Range rows) {
  return {.name = std::move(name), .shape = {size}, .rows = rows};
}

TensorSlice Matrix(std::string name, Shape shape, Range rows, Range columns) {
  return {.name = std::move(name), .shape = shape, .rows = rows, .columns = columns};
}

NormSlices Norm(const std::string& name, std::int64_t size) {
  return {.weight = Vector(name + ".weight", size, {0, size}),
          .bias = Vector(name + ".bias", size, {0, size})};
}

// Which axis of a linear is divided. Its bias goes with the outputs; with divided inputs every
// rank has it whole, because it is added once, after the partial sums are reduced.
enum class Divide { kOutputs, kInputs };

struct LinearShape {
  std::int64_t outputs;
  std::int64_t inputs;
  bool bias;
};

void AppendLinear(LinearSlices& linear, const std::string& name, const LinearShape& shape,
                  Divide divide, Range part) {
  const Range rows = divide == Divide::kOutputs ? part : Range{0, shape.outputs};
  const Range columns = divide == Divide::kInputs ? part : Range{0, shape.inputs};
  linear.weight.push_back(Matrix(name + ".weight", {shape.outputs, shape.inputs}, rows, columns));
  if (shape.bias) linear.bias.push_back(Vector(name + ".bias", shape.outputs, rows));
}

Range Scale(Range range, std::int64_t factor) { return {range.begin * factor, range.end * factor}; }

struct Counter {
  ParameterCount count;

  void Add(const NormSlices& norm) {
    count.vectors += norm.weight.elements() + norm.bias.elements();
    count.replicated += norm.weight.elements() + norm.bias.elements();
  }
  void Add(const LinearSlices& linear, Divide divide) {
    for (const TensorSlice& part : linear.weight) count.matrices += part.elements();
    for (const TensorSlice& part : linear.bias) {
      count.vectors += part.elements();
      if (divide == Divide::kInputs) count.replicated += part.elements();
    }
  }
};

}  // namespace

std::int64_t LinearSlices::outputs() const {
  std::int64_t sum = 0;
  for (const TensorSlice& part : weight) sum += part.rows.size();
  return sum;
}

std::int64_t LinearSlices::inputs() const { return weight.front().columns.size(); }

ShardPlan::ShardPlan(const ModelSpec& spec, int rank_count) : spec_(spec), rank_count_(rank_count) {
  if (rank_count < 1)
    throw BadInput("shard plan: {} ranks; expected 1 to {}, the number of heads", rank_count,
                   spec.head_count);
  const std::int64_t empty = rank_count - spec.head_count;
  if (empty > 0)
    throw BadInput("shard plan: {} heads over {} ranks leaves {} {} empty; use at most {} ranks",
                   spec.head_count, rank_count, empty, empty == 1 ? "rank" : "ranks",
                   spec.head_count);
}

Range ShardPlan::Part(std::int64_t total, int parts, int index) {
  const auto boundary = [&](std::int64_t i) { return (i * total + parts - 1) / parts; };
  return {boundary(index), boundary(index + 1)};
}

std::vector<Range> ShardPlan::Leaves(std::int64_t total, int rank) const {
  if (kLeaves % rank_count_ != 0) return {Part(total, rank_count_, rank)};
  const int own = kLeaves / rank_count_;
  std::vector<Range> leaves;
  for (int leaf = 0; leaf < own; ++leaf) leaves.push_back(Part(total, kLeaves, rank * own + leaf));
  return leaves;
}

RankSlices ShardPlan::Slices(int rank) const {
  LOCKSTEP_CHECK(rank >= 0 && rank < rank_count_, "rank {} of {}", rank, rank_count_);
  const Architecture& names = ArchitectureOf(spec_.family);
  RankSlices slices;
  slices.heads = Part(spec_.head_count, rank_count_, rank);
  slices.ffn_columns = Part(spec_.d_ff, rank_count_, rank);
  slices.vocab_rows = Part(spec_.vocab_rows, rank_count_, rank);
  slices.head_leaves = Leaves(spec_.head_count, rank);
  slices.ffn_leaves = Leaves(spec_.d_ff, rank);
  slices.vocab_leaves = Leaves(spec_.vocab_rows, rank);

  const std::string embedding(names.embedding);
  const Shape vocab_shape{spec_.vocab_rows, spec_.d_model};
  slices.embedding =
      Matrix(embedding + ".weight", vocab_shape, slices.vocab_rows, {0, spec_.d_model});
  for (std::int64_t layer = 0; layer < spec_.layer_count; ++layer)
    slices.layers.push_back(Layer(layer, slices));
  slices.final_norm = Norm(std::string(names.final_norm), spec_.d_model);
  AppendLinear(slices.head, std::string(names.head),
               {spec_.vocab_rows, spec_.d_model, names.head_bias}, Divide::kOutputs,
               slices.vocab_rows);
  slices.tied_head = spec_.tied_embeddings;
  return slices;
}

LayerSlices ShardPlan::Layer(std::int64_t layer, const RankSlices& rank) const {
  const Architecture& names = ArchitectureOf(spec_.family);
  const auto name = [&](std::string_view tensor) { return LayerTensorName(names, layer, tensor); };
  const std::int64_t d_model = spec_.d_model;
  const bool attention_bias = names.attention_bias && spec_.attention_bias;

  LayerSlices slices;
  slices.attention_norm = Norm(name(names.attention_norm), d_model);
  if (!names.mlp_norm.empty()) slices.mlp_norm = Norm(name(names.mlp_norm), d_model);

  const Range head_dims = Scale(rank.heads, spec_.d_head());
  if (names.qkv_layout == QkvLayout::kFusedPerHead) {
    AppendLinear(slices.qkv, name(names.qkv[0]), {3 * d_model, d_model, attention_bias},
                 Divide::kOutputs, Scale(head_dims, 3));
  } else {
    for (std::string_view part : names.qkv)
      AppendLinear(slices.qkv, name(part), {d_model, d_model, attention_bias}, Divide::kOutputs,
                   head_dims);
  }
  AppendLinear(slices.attention_out, name(names.attention_out), {d_model, d_model, attention_bias},
               Divide::kInputs, head_dims);
  AppendLinear(slices.mlp_in, name(names.mlp_in), {spec_.d_ff, d_model, true}, Divide::kOutputs,
               rank.ffn_columns);
  AppendLinear(slices.mlp_out, name(names.mlp_out), {d_model, spec_.d_ff, true}, Divide::kInputs,
               rank.ffn_columns);
  return slices;
}

std::int64_t ShardPlan::all_reduces_per_pass() const {
  return 1 + spec_.layer_count * (spec_.parallel_residual ? 1 : 2);
}

ParameterCount CountParameters(const RankSlices& slices) {
  Counter counter;
  for (const LayerSlices& layer : slices.layers) {
    counter.Add(layer.attention_norm);
    if (layer.mlp_norm) counter.Add(*layer.mlp_norm);
    counter.Add(layer.qkv, Divide::kOutputs);
    counter.Add(layer.attention_out, Divide::kInputs);
    counter.Add(layer.mlp_in, Divide::kOutputs);
    counter.Add(layer.mlp_out, Divide::kInputs);
  }
  counter.Add(slices.final_norm);
  const std::int64_t body = counter.count.total();
  counter.count.matrices += slices.embedding.elements();
  counter.count.table = slices.embedding.elements();
  LinearSlices head = slices.head;
  if (slices.tied_head) head.weight.clear();  // one matrix
  counter.Add(head, Divide::kOutputs);
  counter.count.embedding = counter.count.total() - body;
  return counter.count;
}

std::int64_t WeightBytes(const ParameterCount& count, WeightFormat format) {
  return MatrixBytes(format, count.matrices - count.table) +
         count.table * static_cast<std::int64_t>(SizeOf(TableDType(format))) +
         count.vectors * static_cast<std::int64_t>(SizeOf(DType::kF32));
}

}  // namespace lockstep
