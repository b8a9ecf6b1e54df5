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
  Range heads;
  Range ffn_columns;
  Range vocab_rows;
  Range position_rows;  // of learned positions; empty where there are none
  // The leaves of the fixed summation order within these ranges (ShardPlan::Leaves).
  std::vector<Range> head_leaves;
  std::vector<Range> ffn_leaves;
  std::vector<Range> vocab_leaves;
  TensorSlice embedding;
  std::optional<TensorSlice> positions;  // added to the embedding, by positions
  std::vector<LayerSlices> layers;
  NormSlices final_norm;
  LinearSlices head;       // by vocabulary rows; empty where nobody asks for logits
  bool tied_head = false;  // its weight is the embedding's, unless the checkpoint holds both

  std::int64_t local_heads() const { return heads.size(); }
};

// Which rank holds what: a pure function of the model's shape and the rank count, and the only
// place in the project that divides by the rank count.
//
// Part i of n of a range of `total` is [ceil(i total / n), ceil((i + 1) total / n)). The parts
// differ by one at most, rank 0 has the largest, and plans nest: a part of n ranks is exactly
// the union of its two halves at 2n ranks, which the fixed summation order relies on.
class ShardPlan {
 public:
  // Throws BadInput when rank_count is not between 1 and the number of heads.
  ShardPlan(const ModelSpec& spec, int rank_count);

  int rank_count() const { return rank_count_; }
  const ModelSpec& spec() const { return spec_; }

  RankSlices Slices(int rank) const;

  // All-reduces of one forward pass: one for the embedding, then one per block with the parallel
  // residual and two without.
  std::int64_t all_reduces_per_pass() const;

  static Range Part(std::int64_t total, int parts, int index);

  // Sums over heads, feed-forward columns and vocabulary rows are made in kLeaves parts, which are
  // then added as a balanced binary tree. On 1, 2, 4 and 8 ranks every rank has whole leaves, and
  // the all-reduce is the top of that tree: so the bits are the same on all of them. On any other
  // number of ranks a rank's range is one leaf.
  static constexpr int kLeaves = 8;
  // Of one rank, in order; together they are its part of [0, total). Some may be empty.
  std::vector<Range> Leaves(std::int64_t total, int rank) const;

 private:
  LayerSlices Layer(std::int64_t layer, const RankSlices& rank) const;

  ModelSpec spec_;
  int rank_count_;
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
