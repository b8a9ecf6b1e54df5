#include "partition/plan/shard_plan.h"

#include <fmt/format.h>

#include <array>

#include "core/error.h"
#include "partition/model/architecture.h"
#include "partition/plan/parts.h"
#include "partition/plan/stages.h"

namespace lockstep {
namespace {

TensorSlice Vector(std::string name, std::int64_t size, Range rows) {
  return {.name = std::move(name), .shape = {size}, .rows = rows};
}

// [vocab_rows or context_tokens, d_model], by rows.
TensorSlice Table(std::string_view name, Shape shape, Range rows) {
  return {.name = std::string(name) + ".weight",
          .shape = shape,
          .rows = rows,
          .columns = {0, shape[1]}};
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
  MatrixOrder order = MatrixOrder::kAsMultiplied;
};

void AppendLinear(LinearSlices& linear, const std::string& name, const LinearShape& shape,
                  Divide divide, Range part) {
  const Range rows = divide == Divide::kOutputs ? part : Range{0, shape.outputs};
  const Range columns = divide == Divide::kInputs ? part : Range{0, shape.inputs};
  linear.weight.push_back({.name = name + ".weight",
                           .shape = {shape.outputs, shape.inputs},
                           .rows = rows,
                           .columns = columns,
                           .order = shape.order});
  if (shape.bias) linear.bias.push_back(Vector(name + ".bias", shape.outputs, rows));
}

Range Scale(Range range, std::int64_t factor) { return {range.begin * factor, range.end * factor}; }

Range Shift(Range range, std::int64_t by) { return {range.begin + by, range.end + by}; }

MatrixOrder OrderOf(LinearStorage storage) {
  return storage == LinearStorage::kInputsByOutputs ? MatrixOrder::kTransposed
                                                    : MatrixOrder::kAsMultiplied;
}

// q, k and v of a rank's heads. `one` is the shape of each, `part` the rank's outputs of it.
void AppendQkv(LinearSlices& linear, const Architecture& names,
               const std::array<std::string, 3>& tensors, const LinearShape& one, Range part) {
  const std::int64_t width = one.outputs;
  LinearShape fused = one;
  fused.outputs = 3 * width;
  switch (names.qkv_storage) {
    case QkvStorage::kSeparate:
      for (const std::string& tensor : tensors)
        AppendLinear(linear, tensor, one, Divide::kOutputs, part);
      return;
    case QkvStorage::kFusedPerHead:
      return AppendLinear(linear, tensors[0], fused, Divide::kOutputs, Scale(part, 3));
    case QkvStorage::kFusedByPart:
      for (const std::int64_t which : {0, 1, 2})
        AppendLinear(linear, tensors[0], fused, Divide::kOutputs, Shift(part, which * width));
      return;
  }
}

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

ShardPlan::ShardPlan(const ModelSpec& spec, int tensor_ranks, int stages)
    : spec_(spec), tensor_ranks_(tensor_ranks), stages_(CutIntoStages(spec, stages)) {
  CheckParts({.what = "shard plan",
              .whole = spec.head_count,
              .whole_name = "heads",
              .parts = tensor_ranks,
              .part_name = "rank",
              .remedy = fmt::format("{} ranks", spec.head_count)});
}

Range ShardPlan::Part(std::int64_t total, int parts, int index) {
  const auto boundary = [&](std::int64_t i) { return (i * total + parts - 1) / parts; };
  return {boundary(index), boundary(index + 1)};
}

std::vector<Range> ShardPlan::Leaves(std::int64_t total, int rank) const {
  if (kLeaves % tensor_ranks_ != 0) return {Part(total, tensor_ranks_, rank)};
  const int own = kLeaves / tensor_ranks_;
  std::vector<Range> leaves;
  for (int leaf = 0; leaf < own; ++leaf) leaves.push_back(Part(total, kLeaves, rank * own + leaf));
  return leaves;
}

RankSlices ShardPlan::Slices(int rank) const {
  LOCKSTEP_CHECK(rank >= 0 && rank < rank_count(), "rank {} of {}", rank, rank_count());
  const int part = rank % tensor_ranks_;
  RankSlices slices;
  slices.blocks = stages_[static_cast<std::size_t>(StageOf(rank))];
  slices.heads = Part(spec_.head_count, tensor_ranks_, part);
  slices.ffn_columns = Part(spec_.d_ff, tensor_ranks_, part);
  slices.head_leaves = Leaves(spec_.head_count, part);
  slices.ffn_leaves = Leaves(spec_.d_ff, part);
  const bool is_first = slices.blocks.begin == 0;
  const bool is_last = slices.blocks.end == spec_.layer_count;
  if (is_first || is_last) {
    slices.vocab_rows = Part(spec_.vocab_rows, tensor_ranks_, part);
    slices.vocab_leaves = Leaves(spec_.vocab_rows, part);
  }
  if (is_first) AddTables(part, slices);
  for (std::int64_t layer = slices.blocks.begin; layer < slices.blocks.end; ++layer)
    slices.layers.push_back(Layer(layer, slices));
  if (is_last) AddHead(slices);
  return slices;
}

void ShardPlan::AddTables(int part, RankSlices& slices) const {
  const Architecture& names = ArchitectureOf(spec_.family);
  slices.embedding = Table(names.embedding, {spec_.vocab_rows, spec_.d_model}, slices.vocab_rows);
  if (names.positions != PositionKind::kLearned) return;
  slices.position_rows = Part(spec_.context_tokens, tensor_ranks_, part);
  slices.positions =
      Table(names.position_table, {spec_.context_tokens, spec_.d_model}, slices.position_rows);
}

void ShardPlan::AddHead(RankSlices& slices) const {
  const Architecture& names = ArchitectureOf(spec_.family);
  slices.final_norm = Norm(std::string(names.final_norm), spec_.d_model);
  AppendLinear(slices.head, std::string(names.head),
               {spec_.vocab_rows, spec_.d_model, names.head_bias}, Divide::kOutputs,
               slices.vocab_rows);
  slices.tied_head = spec_.tied_embeddings;
}

LayerSlices ShardPlan::Layer(std::int64_t layer, const RankSlices& rank) const {
  const Architecture& names = ArchitectureOf(spec_.family);
  const auto name = [&](std::string_view tensor) { return LayerTensorName(names, layer, tensor); };
  const std::int64_t d_model = spec_.d_model;
  const MatrixOrder order = OrderOf(names.linear_storage);
  const bool bias = spec_.attention_bias;
  const std::int64_t width = spec_.attention_width();

  LayerSlices slices;
  slices.attention_norm = Norm(name(names.attention_norm), d_model);
  if (!names.mlp_norm.empty()) slices.mlp_norm = Norm(name(names.mlp_norm), d_model);

  const Range head_dims = Scale(rank.heads, spec_.d_head());
  AppendQkv(slices.qkv, names, {name(names.qkv[0]), name(names.qkv[1]), name(names.qkv[2])},
            {width, d_model, bias, order}, head_dims);
  AppendLinear(slices.attention_out, name(names.attention_out), {d_model, width, bias, order},
               Divide::kInputs, head_dims);
  AppendLinear(slices.mlp_in, name(names.mlp_in), {spec_.d_ff, d_model, true, order},
               Divide::kOutputs, rank.ffn_columns);
  AppendLinear(slices.mlp_out, name(names.mlp_out), {d_model, spec_.d_ff, true, order},
               Divide::kInputs, rank.ffn_columns);
  return slices;
}

std::int64_t ShardPlan::all_reduces_per_pass() const {
  return 1 + spec_.layer_count * (spec_.parallel_residual ? 1 : 2);
}

std::int64_t ShardPlan::all_reduces_of_stage(int stage) const {
  const std::int64_t blocks = stages_[static_cast<std::size_t>(stage)].size();
  return (stage == 0 ? 1 : 0) + blocks * (spec_.parallel_residual ? 1 : 2);
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
  counter.count.table =
      slices.embedding.elements() + (slices.positions ? slices.positions->elements() : 0);
  counter.count.matrices += counter.count.table;
  LinearSlices head = slices.head;
  if (slices.tied_head && !head.weight.empty()) {  // one matrix
    counter.count.tied_head = head.weight.front().elements();
    head.weight.clear();
  }
  counter.Add(head, Divide::kOutputs);
  counter.count.embedding = counter.count.total() - body;
  return counter.count;
}

std::int64_t WeightBytes(const ParameterCount& count, WeightFormat format) {
  return MatrixBytes(format, count.matrices - count.table + count.tied_head) +
         count.table * static_cast<std::int64_t>(SizeOf(TableDType(format))) +
         count.vectors * static_cast<std::int64_t>(SizeOf(DType::kF32));
}

}  // namespace lockstep
