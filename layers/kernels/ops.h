#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "comm/reducer.h"
#include "core/numbers/tensor.h"
#include "core/numbers/weight_format.h"
#include "layers/kernels/row_search.h"
#include "layers/kernels/step_inputs.h"
#include "partition/model/architecture.h"
#include "partition/plan/slice.h"

namespace lockstep {

// A linear's weight in whatever form its backend multiplies fastest, with its bias.
class LinearWeight {
 public:
  virtual ~LinearWeight() = default;
  virtual std::int64_t outputs() const = 0;
  virtual std::int64_t inputs() const = 0;
  // What its inputs are kept in; and its results, unless they are summed over the ranks or logits.
  virtual DType activation_dtype() const = 0;
};

// One of the matrices whose products a linear adds up.
struct LinearPart {
  Tensor weight;  // [outputs, inputs] in host memory, of SourceDType(format)
  // The inputs' leaves of the fixed summation order (docs/dev/numerics.md), one behind the other;
  // empty: all inputs are one leaf. Every part has the same number of leaves, a power of two.
  std::vector<Range> leaves;
};

// y = part 0 (x) + part 1 (x_second) + bias. The sum's order: leaf by leaf, first part 0's inputs
// of the leaf and then part 1's; the leaves' sums are added as a balanced binary tree. So the sum
// of a rank that holds half of the leaves is one half of that tree.
struct LinearSource {
  std::vector<LinearPart> parts;  // one or two
  Tensor bias;                    // [outputs] fp32, or empty
  WeightFormat format = WeightFormat::kF32;
};

enum class Activation : std::uint8_t { kNone, kGeluExact, kGeluTanh };

// y = activation(x W^T + bias)
struct LinearArgs {
  TensorView x;              // [tokens, inputs of part 0]
  TensorView x_second = {};  // [tokens, inputs of part 1], of a weight of two parts
  const LinearWeight* weight = nullptr;
  TensorView y;  // [tokens, outputs]
  Activation activation = Activation::kNone;
};

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias, per row, statistics in fp32.
struct LayerNormArgs {
  TensorView x;       // [tokens, d_model] fp32
  TensorView weight;  // [d_model] fp32
  TensorView bias;    // [d_model] fp32
  double epsilon = 1e-5;
  TensorView y;  // [tokens, d_model] of LinearWeight::activation_dtype()
};

// One of the norms that AddResidualNorm() takes of its sum.
struct NormOf {
  TensorView weight;  // [d_model] fp32
  TensorView bias;    // [d_model] fp32
  TensorView y;       // [tokens, d_model] of LinearWeight::activation_dtype(); no memory: no norm
};

// x += delta + bias_a + bias_b, and then y of each norm, as LayerNorm would have it.
struct ResidualArgs {
  TensorView x;            // [tokens, d_model] fp32
  TensorView delta = {};   // the same; no memory: x stays as it is
  TensorView bias_a = {};  // [d_model] fp32, or empty views
  TensorView bias_b = {};  //
  NormOf norms[2] = {};
  double epsilon = 1e-5;
};

// Who adds the bias of the projection to queries, keys and values.
enum class QkvBias : std::uint8_t { kInProduct, kInAttention };

// Where a layer keeps the keys and values of this rank's heads.
//   pages: [page_count, 2 (key, value), local_heads * page_tokens, CacheWidth(d_head, dtype)]
// What lies where within one head's part of a page is the backend's own affair.
struct KvPages {
  TensorView pages;
  std::int64_t local_heads = 0;
  std::int64_t page_tokens = 0;
  std::int64_t d_head = 0;
};

// A table of which this rank has some rows.
struct TablePart {
  TensorView table;  // [rows.size(), d_model] fp32, bf16 or fp16; no memory: no table
  Range rows;        // of the whole table

  bool Has(std::int64_t row) const { return row >= rows.begin && row < rows.end; }
};

// y[t] = tokens[ids[t]] + positions[position of t]; zeros for rows of other ranks.
struct EmbeddingArgs {
  std::span<const std::int32_t> ids;  // [tokens] host
  TablePart tokens;
  // With positions, of the same dtype: ids and sequences are those of the step that has begun.
  std::span<const SequenceRows> sequences = {};
  TablePart positions = {};
  TensorView y;  // [tokens, d_model] fp32
};

struct RotaryArgs {
  RotaryKind kind = RotaryKind::kHalfSplit;
  std::int64_t dims = 0;
  // cos and sin of position * frequency: [context, dims / 2] fp32 each, made once.
  TensorView cos;
  TensorView sin;
};

// Softmax(score_factor * q k^T / sqrt(d_head)) v over all earlier positions, per head. Before that,
// rotates q and k and appends k and v to the cache. Scores and softmax in fp32.
struct AttentionArgs {
  TensorView qkv;  // [tokens, 3 * local_heads * d_head]; q is rotated in place
  QkvLayout layout = QkvLayout::kFusedPerHead;
  TensorView qkv_bias = {};  // [3 * local_heads * d_head] fp32, where Ops::qkv_bias() says so
  RotaryArgs rotary;
  float score_factor = 1.0f;
  std::span<const SequenceRows> sequences;
  KvPages cache;
  TensorView y;  // [tokens, local_heads * d_head]
};

// Per row of logits: what is needed to score and to choose, without moving the row.
struct RowStatistics {
  float max = 0.0f;         // the largest logit
  std::int32_t argmax = 0;  // its column; the lowest one of equals
  float target = 0.0f;      // the logit of the asked column, or 0 when it is elsewhere
  double sum_exp = 0.0;     // sum of exp(logit - max); NaN when a logit is NaN or infinite
};

// The operations that a model is made of, and the questions that choosing tokens asks. Every
// operation is enqueued on the device's stream and may return before it is done; questions about
// rows of logits wait for their answer. Zero tokens are legal everywhere. Shapes are the caller's
// duty and are checked (LOCKSTEP_CHECK).
class Ops {
 public:
  virtual ~Ops() = default;

  // Brings a weight into the form it is multiplied in. bf16: inputs are rounded to bf16, sums fp32;
  // int8 and int4 on processors, fp8 on GPUs: inputs are rounded to 8 bits, a scale per token and
  // group. Throws BadInput for a format that this backend does not multiply.
  virtual std::unique_ptr<LinearWeight> MakeLinear(LinearSource source) = 0;

  // Elements of this dtype that the cache keeps for one head's key or value; at least d_head.
  // Throws BadInput for a dtype that this backend cannot keep them in, or heads too wide for it.
  virtual std::int64_t CacheWidth(std::int64_t d_head, DType dtype) const = 0;

  virtual QkvBias qkv_bias() const = 0;

  virtual void Linear(const LinearArgs& args) = 0;
  virtual void LayerNorm(const LayerNormArgs& args) = 0;
  virtual void Attention(const AttentionArgs& args) = 0;

  virtual void Embed(const EmbeddingArgs& args) = 0;

  // The addition and the norms of its sum, with the bits of one after the other.
  virtual void AddResidualNorm(const ResidualArgs& args) = 0;

  // The same with the sum of delta over the ranks in place of delta, which is undefined then: one
  // collective of theirs. False: nothing has been done, as this backend does not do both at once
  // with this reducer or with so many rows; on all ranks alike.
  virtual bool SumToResidual(const ResidualArgs& /*args*/, Reducer& /*sums*/) { return false; }

  // y[i] = x[rows[i]]
  virtual void SelectRows(const TensorView& x, std::span<const std::int64_t> rows,
                          const TensorView& y) = 0;

  // Per row of logits [tokens, columns] fp32 and per range of columns: [tokens x ranges], row by
  // row. targets[t] is the asked column; outside of all ranges (-1, say): none. A range may be
  // empty: its max is -infinity.
  virtual std::vector<RowStatistics> Statistics(const TensorView& logits,
                                                std::span<const std::int64_t> targets,
                                                std::span<const Range> ranges) = 0;

  // The `count` largest logits of each row of logits [tokens, columns] fp32 among its first `limit`
  // columns: [tokens x count], largest first, of equals the lowest column first; NaN anywhere.
  // Nothing where this backend does not search for so many: whoever asks downloads the rows.
  virtual std::optional<std::vector<ColumnLogit>> LargestLogits(const TensorView& logits,
                                                                std::int64_t limit,
                                                                std::int64_t count) = 0;

  // The logits of these places, which become -infinity: out of all searches. No place twice.
  virtual std::vector<float> TakeLogits(const TensorView& logits,
                                        std::span<const LogitPlace> places) = 0;

  // Of each question the leading columns, the best first; fewer where fewer are possible. The same
  // on every backend, for the same logits.
  virtual std::vector<std::vector<ColumnLogit>> FindLeaders(
      const RowSearch& search, std::span<const RaceQuestion> questions) = 0;

  // The sums of MassesOf() over each range of columns: [questions x ranges], question by question.
  virtual std::vector<std::vector<double>> SumMasses(const RowSearch& search,
                                                     std::span<const MassQuestion> questions,
                                                     std::span<const Range> ranges) = 0;
};

}  // namespace lockstep
