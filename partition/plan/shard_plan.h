#pragma once

#include <optional>
#include <vector>

#include "core/numbers/weight_format.h"
#include "partition/model/model_spec.h"
#include "partition/plan/slice.h"

namespace lockstep {

// The slices of one linear y = x W^T + b, W [outputs, inputs]. More than one part where the
// product is stacked from q, k and v: the parts are stacked along the outputs in this order.
struct LinearSlices {
  std::vector<TensorSlice> weight;
  std::vector<TensorSlice> bias;  // empty: no bias

  std::int64_t outputs() const;
  std::int64_t inputs() const;
};

struct NormSlices {
  TensorSlice weight;
  TensorSlice bias;
};

struct LayerSlices {
  NormSlices attention_norm;
  std::optional<NormSlices> mlp_norm;  // absent: attention_norm feeds the MLP as well
  LinearSlices qkv;                    // by heads (outputs), as ProductLayout() orders them
  LinearSlices attention_out;          // by heads (inputs); bias whole on every rank
  LinearSlices mlp_in;                 // by feed-forward columns (outputs)
  LinearSlices mlp_out;                // by feed-forward columns (inputs); bias whole
};

// Everything one rank reads from the checkpoint.
struct RankSlices {
  Range blocks;  // of its stage
  Range heads;
  Range ffn_columns;
  Range vocab_rows;
  Range position_rows;  // of learned positions; empty where there are none
  // The leaves of the fixed summation order within these ranges (ShardPlan::Leaves).
  std::vector<Range> head_leaves;
  std::vector<Range> ffn_leaves;
  std::vector<Range> vocab_leaves;
  TensorSlice embedding;                 // of the first stage; empty in others
  std::optional<TensorSlice> positions;  // added to the embedding, by positions
  std::vector<LayerSlices> layers;       // of its blocks
  NormSlices final_norm;                 // of the last stage; empty in others
  // Of the last stage, by vocabulary rows; empty in others, and where nobody asks for logits.
  LinearSlices head;
  bool tied_head = false;  // its weight is the embedding's, unless the checkpoint holds both

  std::int64_t local_heads() const { return heads.size(); }
};

// Which rank holds what: a pure function of the model's shape and the rank counts, and the only
// place in the project that divides by the rank count. Stages hold whole blocks (plan/stages.h);
// within a stage, every matrix is divided over its ranks.
//
// Part i of n of a range of `total` is [ceil(i total / n), ceil((i + 1) total / n)). The parts
// differ by one at most, rank 0 has the largest, and plans nest: a part of n ranks is exactly
// the union of its two halves at 2n ranks, which the fixed summation order relies on.
class ShardPlan {
 public:
  // So many ranks for each stage of a pipeline (--tp, --pp). Throws BadInput when there are more
  // ranks than heads, more stages than blocks, or none.
  ShardPlan(const ModelSpec& spec, int tensor_ranks, int stages = 1);

  int tensor_ranks() const { return tensor_ranks_; }
  int stage_count() const { return static_cast<int>(stages_.size()); }
  // Of all stages. Those of the first one come first, then those of the second.
  int rank_count() const { return tensor_ranks_ * stage_count(); }
  int StageOf(int rank) const { return rank / tensor_ranks_; }
  const ModelSpec& spec() const { return spec_; }

  RankSlices Slices(int rank) const;

  // All-reduces of one forward pass through all stages: one for the embedding, then one per block
  // with the parallel residual and two without.
  std::int64_t all_reduces_per_pass() const;
  // Of these, one stage's.
  std::int64_t all_reduces_of_stage(int stage) const;

  static Range Part(std::int64_t total, int parts, int index);

  // Sums over heads, feed-forward columns and vocabulary rows are made in kLeaves parts, which are
  // then added as a balanced binary tree. On 1, 2, 4 and 8 ranks every rank has whole leaves, and
  // the all-reduce is the top of that tree: so the bits are the same on all of them. On any other
  // number of ranks a rank's range is one leaf.
  static constexpr int kLeaves = 8;
  // Of one rank of a stage, in order; together they are its part of [0, total). Some may be empty.
  std::vector<Range> Leaves(std::int64_t total, int rank) const;

 private:
  // part: the rank's number in its stage.
  void AddTables(int part, RankSlices& slices) const;
  void AddHead(RankSlices& slices) const;
  LayerSlices Layer(std::int64_t layer, const RankSlices& rank) const;

  ModelSpec spec_;
  int tensor_ranks_;
  std::vector<Range> stages_;  // their blocks
};

// What a rank or a whole model holds.
struct ParameterCount {
  std::int64_t matrices = 0;   // elements of weight matrices
  std::int64_t vectors = 0;    // elements of norms and biases
  std::int64_t embedding = 0;  // of these, in the embeddings and the LM head
  std::int64_t table = 0;      // of the matrices, the embeddings: looked up, not multiplied
  // Of a tied LM head: beside the table it is kept once more, in the form it is multiplied in.
  std::int64_t tied_head = 0;
  // Of all, held whole by every rank: norms, and biases that are added after the reduction.
  std::int64_t replicated = 0;

  std::int64_t total() const { return matrices + vectors; }
  std::int64_t non_embedding() const { return total() - embedding; }
};

ParameterCount CountParameters(const RankSlices& slices);

// Memory of the weights: matrices in `format`, the embeddings in TableDType(format), norms and
// biases in fp32.
std::int64_t WeightBytes(const ParameterCount& count, WeightFormat format);

}  // namespace lockstep
