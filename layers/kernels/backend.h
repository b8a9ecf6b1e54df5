#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/numbers/tensor.h"
#include "core/numbers/weight_format.h"
#include "layers/kernels/row_search.h"
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
  virtual DType activation_dtype() const { return DType::kF32; }
};

// One of the matrices whose products a linear adds up.
struct LinearPart {
  Tensor weight;  // [outputs, inputs] in host memory, of SourceDType(format)
  // The inputs' leaves of the fixed summation order (docs/numerics.md), one behind the other;
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

// Bytes or operations per second. An operation is a multiplication or an addition.
struct DeviceRate {
  enum class Kind : std::uint8_t { kRead, kBf16 };
  Kind kind = Kind::kRead;
  double per_second = 0.0;
};

// One sequence's part of a batch. Its new tokens are rows [first_row, first_row + token_count) of
// the batch; they stand at positions start, start + 1, ... of the sequence.
struct SequenceRows {
  std::int64_t first_row = 0;
  std::int64_t token_count = 0;
  std::int64_t start = 0;                // tokens that are in the cache already
  std::vector<std::int32_t> page_table;  // page of positions [i * page_tokens, (i+1) * page_tokens)
};

// What a step works on, in host memory.
struct StepInputs {
  std::span<const std::int32_t> ids;
  std::span<const SequenceRows> sequences;
  std::span<const std::int64_t> logit_rows;
};

// The most that a step has.
struct StepLimits {
  std::int64_t tokens = 0;
  std::int64_t logit_rows = 0;
  std::int64_t sequences = 0;
  std::int64_t positions = 0;  // of one sequence
};

// The same, and the sizes of the model that its operations depend on.
struct StepSizes {
  StepLimits limits;
  std::int64_t local_heads = 0;
  std::int64_t d_head = 0;
  std::int64_t beside_elements = 0;  // of the weight of RunConcurrently()'s linear
  std::int64_t vocab_ranges = 0;     // that Statistics() is asked about
};

// How many rows the operations of a step are called with: those of its inputs, or more. What is
// computed for rows that the inputs do not have means nothing and is kept nowhere.
struct StepRows {
  std::int64_t tokens = 0;
  std::int64_t logits = 0;
};

// Whether RunStep() has called the operations it was given.
enum class StepRun : std::uint8_t { kCalled, kReplayed };

// kAuto: RunStep() may record and replay. kOff: it calls, always.
enum class StepGraphs : std::uint8_t { kAuto, kOff };

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

struct RotaryArgs {
  RotaryKind kind = RotaryKind::kHalfSplit;
  std::int64_t dims = 0;
  // cos and sin of position * frequency: [context, dims / 2] fp32 each, made once.
  TensorView cos;
  TensorView sin;
};

// Softmax(q k^T / sqrt(d_head)) v over all earlier positions, per head. Before that, rotates q
// and k and appends k and v to the cache. Scores and softmax in fp32.
struct AttentionArgs {
  TensorView qkv;  // [tokens, 3 * local_heads * d_head]; q is rotated in place
  QkvLayout layout = QkvLayout::kFusedPerHead;
  TensorView qkv_bias = {};  // [3 * local_heads * d_head] fp32, where Backend::qkv_bias() says so
  RotaryArgs rotary;
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

// The operations a device must provide: the only thing the layers know of a device. Every
// operation is enqueued on the backend's stream and may return before it is done; Synchronize()
// and Download() wait. Zero tokens are legal everywhere. Shapes are the caller's duty and are
// checked (LOCKSTEP_CHECK).
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;
  virtual Stream stream() const { return {}; }
  virtual void Synchronize() {}

  // The watch is called again and again while the backend waits for its device, with how long it
  // has waited, and once when the device has failed. It throws when what is waited for will not
  // come, because a peer is gone.
  using Watch = std::function<void(double waited_seconds)>;
  virtual void set_liveness_check(Watch /*watch*/) {}

  // Sends what a step works on to the device, once for all layers. Until the next call the spans
  // stay as they are: an operation that is given one of them uses what has been sent, and one
  // that is given others sends them by itself. Operations on rows are to be called with as many
  // rows as it returns; spans stay those of the inputs.
  virtual StepRows BeginStep(const StepInputs& inputs) {
    return {static_cast<std::int64_t>(inputs.ids.size()),
            static_cast<std::int64_t>(inputs.logit_rows.size())};
  }

  // Takes all memory that steps within these limits need, so that none of them allocates or frees.
  // After the model's weights are there. Returns the most rows that BeginStep() will ask for.
  virtual StepRows ReserveSteps(const StepSizes& sizes) {
    return {sizes.limits.tokens, sizes.limits.logit_rows};
  }

  // Runs the operations of the step that has begun: those of `caller`'s model, all on this
  // backend's stream, none that waits. A backend may record what they enqueue and replay it for a
  // later step of this caller, instead of calling them, when they would enqueue the same: inputs
  // come from BeginStep(), everything else lies where it lay.
  virtual StepRun RunStep(const void* /*caller*/, const std::function<void()>& operations) {
    operations();
    return StepRun::kCalled;
  }
  // Drops what RunStep() has recorded. Waits for nothing.
  virtual void ForgetSteps() {}
  virtual void set_step_graphs(StepGraphs /*graphs*/) {}

  // Runs both, at the same time where the device gains by it. Neither reads or overwrites what the
  // other writes, and the second calls nothing but Linear().
  virtual void RunConcurrently(const std::function<void()>& first,
                               const std::function<void()>& linear) {
    first();
    linear();
  }

  // What the device reaches in what it is best at, for benchmarks to compare with: measured anew by
  // each call, in some milliseconds and memory of its own. Empty where the threads of this process
  // compute, whose limits peaks.h knows.
  virtual std::vector<DeviceRate> MeasureRates() { return {}; }

  // Memory of the device, uninitialised.
  virtual Tensor Allocate(DType dtype, Shape shape) = 0;
  // Between host tensors and tensors of this backend, of one dtype and size.
  virtual void Upload(const TensorView& host, const TensorView& device) = 0;
  virtual void Download(const TensorView& device, const TensorView& host) = 0;
  // Between tensors of this backend, of one dtype and size, that do not overlap.
  virtual void Copy(const TensorView& from, const TensorView& to) = 0;

  // Brings a weight into the form it is multiplied in. bf16: inputs are rounded to bf16, sums are
  // fp32; int8 and int4: inputs are rounded to 8 bits, with one scale per token and group.
  virtual std::unique_ptr<LinearWeight> MakeLinear(LinearSource source) = 0;

  // Elements of this dtype that the cache keeps for one head's key or value; at least d_head.
  // Throws BadInput for a dtype that this backend cannot keep them in.
  virtual std::int64_t CacheWidth(std::int64_t d_head, DType dtype) const = 0;

  virtual QkvBias qkv_bias() const { return QkvBias::kInProduct; }

  virtual void Linear(const LinearArgs& args) = 0;
  virtual void LayerNorm(const LayerNormArgs& args) = 0;
  virtual void Attention(const AttentionArgs& args) = 0;

  // y[t] = table[ids[t] - rows.begin] where this rank has the row, else zeros.
  //   ids [tokens] host;  table [rows.size(), d_model] fp32 or bf16;  y [tokens, d_model] fp32
  virtual void Embed(std::span<const std::int32_t> ids, const TensorView& table, Range rows,
                     const TensorView& y) = 0;

  // x += delta + bias_a + bias_b, rows of fp32. The biases are [d_model] fp32; may be empty views.
  virtual void AddResidual(const TensorView& x, const TensorView& delta, const TensorView& bias_a,
                           const TensorView& bias_b) = 0;

  // Both in one, of the same bits.
  virtual void AddResidualNorm(const ResidualArgs& args) {
    if (args.delta.raw() != nullptr) AddResidual(args.x, args.delta, args.bias_a, args.bias_b);
    for (const NormOf& norm : args.norms)
      if (norm.y.raw() != nullptr)
        LayerNorm({args.x, norm.weight, norm.bias, args.epsilon, norm.y});
  }

  // y[i] = x[rows[i]]
  virtual void SelectRows(const TensorView& x, std::span<const std::int64_t> rows,
                          const TensorView& y) = 0;

  // Per row of logits [tokens, columns] fp32 and per range of columns: [tokens x ranges], row by
  // row. targets[t] is the asked column; outside of all ranges (-1, say): none. A range may be
  // empty: its max is -infinity. Waits for the result.
  virtual std::vector<RowStatistics> Statistics(const TensorView& logits,
                                                std::span<const std::int64_t> targets,
                                                std::span<const Range> ranges) = 0;

  // The `count` largest logits of each row of logits [tokens, columns] fp32 among its first `limit`
  // columns: [tokens x count], largest first, of equals the lowest column first; NaN anywhere.
  // Waits for the result. Empty, where this backend does not search for so many: Download() the
  // rows.
  virtual std::vector<ColumnLogit> LargestLogits(const TensorView& /*logits*/,
                                                 std::int64_t /*limit*/, std::int64_t /*count*/) {
    return {};
  }

  // The logits of these places, which become -infinity: out of all searches. No place twice. Waits
  // for the result, as the two that follow do; what they fall back on downloads rows.
  virtual std::vector<float> TakeLogits(const TensorView& logits,
                                        std::span<const LogitPlace> places);

  // Of each question the leading columns, the best first; fewer where fewer are possible. The same
  // on every backend, for the same logits.
  virtual std::vector<std::vector<ColumnLogit>> FindLeaders(
      const RowSearch& search, std::span<const RaceQuestion> questions);

  // The sums of MassesOf() over each range of columns: [questions x ranges], question by question.
  virtual std::vector<std::vector<double>> SumMasses(const RowSearch& search,
                                                     std::span<const MassQuestion> questions,
                                                     std::span<const Range> ranges);
};

enum class BackendKind : std::uint8_t { kReference, kCpu };

// threads >= 1: how many the backend computes with (the reference uses one).
std::unique_ptr<Backend> MakeBackend(BackendKind kind, int threads);

// What its kernels are written for on this processor, which the last bits of results depend on:
// "avx512"; "plain loops" of the reference.
std::string_view InstructionSet(BackendKind kind);

}  // namespace lockstep
