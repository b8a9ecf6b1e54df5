#include "layers/kernels/reference/reference_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/numbers/float8.h"
#include "layers/kernels/attention_geometry.h"
#include "layers/kernels/host_backend.h"

namespace lockstep::reference {
namespace {

float LoadElement(const TensorView& view, std::int64_t index) {
  if (view.dtype() == DType::kF32) return view.data<float>()[index];
  if (view.dtype() == DType::kF8) return static_cast<float>(view.data<Float8>()[index]);
  return static_cast<float>(view.data<BFloat16>()[index]);
}

void StoreElement(const TensorView& view, std::int64_t index, float value) {
  if (view.dtype() == DType::kF32) {
    view.data<float>()[index] = value;
  } else {
    view.data<BFloat16>()[index] = BFloat16(value);
  }
}

float Activate(Activation activation, float x) {
  switch (activation) {
    case Activation::kNone: return x;
    case Activation::kGeluExact: return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f));
    case Activation::kGeluTanh:
      return 0.5f * x * (1.0f + std::tanh(0.79788456080286536f * (x + 0.044715f * x * x * x)));
  }
  return x;
}

// Multiplies what the source holds: fp32, or bf16 with inputs rounded to bf16. The quantised
// formats are fp32 here, so that they are compared with what they stand for.
class ReferenceLinear final : public LinearWeight {
 public:
  explicit ReferenceLinear(LinearSource source) : source_(std::move(source)) {}

  std::int64_t outputs() const override { return source_.parts.front().weight.view().dim(0); }
  std::int64_t inputs() const override { return source_.parts.front().weight.view().dim(1); }
  DType activation_dtype() const override { return DType::kF32; }

  float Result(const LinearArgs& args, std::int64_t token, std::int64_t output) const {
    const TensorView x[] = {args.x, args.x_second};
    float sum = 0.0f;
    for (std::size_t part = 0; part < source_.parts.size(); ++part) {
      const TensorView& weight = source_.parts[part].weight.view();
      const float* row = x[part].data<float>() + token * weight.dim(1);
      sum += Dot(row, weight, output);
    }
    return source_.bias.empty() ? sum : sum + source_.bias.view().data<float>()[output];
  }

 private:
  static float Dot(const float* x, const TensorView& weight, std::int64_t output) {
    const bool rounded = weight.dtype() == DType::kBF16;
    float sum = 0.0f;
    for (std::int64_t i = 0; i < weight.dim(1); ++i) {
      const float value = rounded ? static_cast<float>(BFloat16(x[i])) : x[i];
      sum += value * LoadElement(weight, output * weight.dim(1) + i);
    }
    return sum;
  }

  LinearSource source_;
};

// Rotates the first `dims` elements of one head's q or k in place.
void Rotate(float* head, const RotaryArgs& rotary, std::int64_t position) {
  const std::int64_t half = rotary.dims / 2;
  const float* cos = rotary.cos.data<float>() + position * half;
  const float* sin = rotary.sin.data<float>() + position * half;
  const bool interleaved = rotary.kind == RotaryKind::kInterleaved;
  for (std::int64_t i = 0; i < half; ++i) {
    float& first = head[interleaved ? 2 * i : i];
    float& second = head[interleaved ? 2 * i + 1 : i + half];
    const float a = first, b = second;
    first = a * cos[i] - b * sin[i];
    second = b * cos[i] + a * sin[i];
  }
}

// One head's key (part 0) or value (part 1) at a position, in the cache: d_head elements, and in
// fp8 an fp32 scale behind them.
class CachedRow {
 public:
  CachedRow(const AttentionArgs& args, const SequenceRows& sequence, std::int64_t position,
            std::int64_t part, std::int64_t head)
      : pages_(args.cache.pages), d_head_(args.cache.d_head) {
    const std::int64_t tokens = args.cache.page_tokens;
    const std::int64_t page = sequence.page_table[static_cast<std::size_t>(position / tokens)];
    const std::int64_t slot = position % tokens;
    first_ = (((page * 2 + part) * args.cache.local_heads + head) * tokens + slot) * pages_.dim(3);
  }

  // In fp8 the row's largest number becomes fp8's largest.
  void Store(const float* row) const {
    if (pages_.dtype() != DType::kF8) {
      for (std::int64_t d = 0; d < d_head_; ++d) StoreElement(pages_, first_ + d, row[d]);
      return;
    }
    float largest = 1e-30f;
    for (std::int64_t d = 0; d < d_head_; ++d) largest = std::max(largest, std::fabs(row[d]));
    const float scale = largest / Float8::kLargest, factor = Float8::kLargest / largest;
    for (std::int64_t d = 0; d < d_head_; ++d)
      pages_.data<Float8>()[first_ + d] = Float8(row[d] * factor);
    std::memcpy(ScaleBytes(), &scale, sizeof(scale));
  }

  float Scale() const {
    float scale = 1.0f;
    if (pages_.dtype() == DType::kF8) std::memcpy(&scale, ScaleBytes(), sizeof(scale));
    return scale;
  }
  // To be multiplied by Scale().
  float Element(std::int64_t d) const { return LoadElement(pages_, first_ + d); }

 private:
  std::byte* ScaleBytes() const { return static_cast<std::byte*>(pages_.raw()) + first_ + d_head_; }

  const TensorView& pages_;
  std::int64_t d_head_;
  std::int64_t first_ = 0;
};

class ReferenceOps final : public HostOps {
 public:
  std::int64_t CacheWidth(std::int64_t d_head, DType dtype) const override {
    if (dtype == DType::kI8)
      throw BadInput(
          "model.cache_dtype: the reference backend keeps no int8; use fp32, bf16 or fp8");
    return dtype == DType::kF8 ? d_head + static_cast<std::int64_t>(sizeof(float)) : d_head;
  }

  std::unique_ptr<LinearWeight> MakeLinear(LinearSource source) override {
    return std::make_unique<ReferenceLinear>(std::move(source));
  }

  void Linear(const LinearArgs& args) override {
    const auto& weight = static_cast<const ReferenceLinear&>(*args.weight);
    const std::int64_t outputs = weight.outputs();
    LOCKSTEP_CHECK(args.x.dim(1) == weight.inputs() && args.y.dim(1) == outputs, "x {} y {}",
                   args.x.shape().ToString(), args.y.shape().ToString());
    for (std::int64_t token = 0; token < args.x.dim(0); ++token)
      for (std::int64_t output = 0; output < outputs; ++output) {
        args.y.data<float>()[token * outputs + output] =
            Activate(args.activation, weight.Result(args, token, output));
      }
  }

  void LayerNorm(const LayerNormArgs& args) override {
    const std::int64_t width = args.x.dim(1);
    for (std::int64_t token = 0; token < args.x.dim(0); ++token) {
      const float* x = args.x.data<float>() + token * width;
      float* y = args.y.data<float>() + token * width;
      double sum = 0.0, squares = 0.0;
      for (std::int64_t i = 0; i < width; ++i) sum += x[i];
      const double mean = sum / static_cast<double>(width);
      for (std::int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
      const double deviation = std::sqrt(squares / static_cast<double>(width) + args.epsilon);
      for (std::int64_t i = 0; i < width; ++i) {
        const auto normal = static_cast<float>((x[i] - mean) / deviation);
        y[i] = normal * args.weight.data<float>()[i] + args.bias.data<float>()[i];
      }
    }
  }

  void Attention(const AttentionArgs& args) override {
    const AttentionGeometry geometry(args);
    for (const SequenceRows& sequence : args.sequences)
      for (std::int64_t i = 0; i < sequence.token_count; ++i)
        for (std::int64_t head = 0; head < geometry.local_heads; ++head)
          Append(args, geometry, sequence, i, head);
    for (const SequenceRows& sequence : args.sequences)
      for (std::int64_t i = 0; i < sequence.token_count; ++i)
        for (std::int64_t head = 0; head < geometry.local_heads; ++head)
          Attend(args, geometry, sequence, i, head);
  }

  void Embed(const EmbeddingArgs& args) override {
    const std::int64_t width = args.y.dim(1);
    // Of the table's row, 0 where another rank has it.
    const auto element = [&](const TablePart& part, std::int64_t row, std::int64_t i) {
      return part.Has(row) ? LoadElement(part.table, (row - part.rows.begin) * width + i) : 0.0f;
    };
    float* y = args.y.data<float>();
    for (std::size_t token = 0; token < args.ids.size(); ++token)
      for (std::int64_t i = 0; i < width; ++i)
        y[static_cast<std::int64_t>(token) * width + i] = element(args.tokens, args.ids[token], i);
    if (args.positions.table.raw() == nullptr) return;
    for (const SequenceRows& sequence : args.sequences)
      for (std::int64_t t = 0; t < sequence.token_count; ++t)
        for (std::int64_t i = 0; i < width; ++i)
          y[(sequence.first_row + t) * width + i] += element(args.positions, sequence.start + t, i);
  }

  void SelectRows(const TensorView& x, std::span<const std::int64_t> rows,
                  const TensorView& y) override {
    const std::int64_t width = x.dim(1);
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::copy_n(x.data<float>() + rows[i] * width, width,
                  y.data<float>() + static_cast<std::int64_t>(i) * width);
  }

  std::vector<RowStatistics> Statistics(const TensorView& logits,
                                        std::span<const std::int64_t> targets,
                                        std::span<const Range> ranges) override {
    std::vector<RowStatistics> all;
    for (std::int64_t row = 0; row < logits.dim(0); ++row)
      for (const Range& range : ranges)
        all.push_back(Statistics(logits.data<float>() + row * logits.dim(1), range,
                                 targets[static_cast<std::size_t>(row)]));
    return all;
  }

  // The rows lie in host memory: whoever wants the largest looks there.
  std::optional<std::vector<ColumnLogit>> LargestLogits(const TensorView& /*logits*/,
                                                        std::int64_t /*limit*/,
                                                        std::int64_t /*count*/) override {
    return std::nullopt;
  }

  std::vector<std::vector<ColumnLogit>> FindLeaders(
      const RowSearch& search, std::span<const RaceQuestion> questions) override {
    std::vector<std::vector<ColumnLogit>> answers;
    for (const RaceQuestion& question : questions)
      answers.push_back(RaceLeadersOf(
          Row(search.logits, question.row).first(static_cast<std::size_t>(search.limit)),
          search.first_token, question));
    return answers;
  }

  std::vector<std::vector<double>> SumMasses(const RowSearch& search,
                                             std::span<const MassQuestion> questions,
                                             std::span<const Range> ranges) override {
    std::vector<std::vector<double>> answers;
    for (const MassQuestion& question : questions)
      for (const Range& range : ranges)
        answers.push_back(MassesOf(Row(search.logits, question.row), range, question));
    return answers;
  }

 private:
  static std::span<const float> Row(const TensorView& logits, std::int64_t row) {
    return {logits.data<float>() + row * logits.dim(1), static_cast<std::size_t>(logits.dim(1))};
  }

  void AddResidual(const ResidualArgs& args) override {
    const std::int64_t width = args.x.dim(1);
    for (std::int64_t i = 0; i < args.x.elements(); ++i) {
      float sum = args.x.data<float>()[i] + args.delta.data<float>()[i];
      for (const TensorView* bias : {&args.bias_a, &args.bias_b})
        if (bias->raw() != nullptr) sum += bias->data<float>()[i % width];
      args.x.data<float>()[i] = sum;
    }
  }

  static RowStatistics Statistics(const float* x, Range range, std::int64_t target) {
    RowStatistics statistics;
    statistics.max = -std::numeric_limits<float>::infinity();
    for (std::int64_t i = range.begin; i < range.end; ++i)
      if (x[i] > statistics.max) {
        statistics.max = x[i];
        statistics.argmax = static_cast<std::int32_t>(i);
      }
    for (std::int64_t i = range.begin; i < range.end; ++i)
      statistics.sum_exp += std::isfinite(x[i])
                                ? std::exp(static_cast<double>(x[i]) - statistics.max)
                                : std::numeric_limits<double>::quiet_NaN();
    if (target >= range.begin && target < range.end) statistics.target = x[target];
    return statistics;
  }

  static void Append(const AttentionArgs& args, const AttentionGeometry& geometry,
                     const SequenceRows& sequence, std::int64_t i, std::int64_t head) {
    const std::int64_t position = sequence.start + i;
    float* q = args.qkv.data<float>() + (sequence.first_row + i) * geometry.qkv_stride +
               head * geometry.head_stride;
    Rotate(q, args.rotary, position);
    Rotate(q + geometry.k_offset, args.rotary, position);
    for (std::int64_t part : {0, 1}) {
      const float* source = q + (part == 0 ? geometry.k_offset : geometry.v_offset);
      CachedRow(args, sequence, position, part, head).Store(source);
    }
  }

  static void Attend(const AttentionArgs& args, const AttentionGeometry& geometry,
                     const SequenceRows& sequence, std::int64_t i, std::int64_t head) {
    const std::int64_t row = sequence.first_row + i;
    const std::int64_t length = sequence.start + i + 1;
    const float* q =
        args.qkv.data<float>() + row * geometry.qkv_stride + head * geometry.head_stride;
    std::vector<float> scores(static_cast<std::size_t>(length));
    float largest = -std::numeric_limits<float>::infinity();
    for (std::int64_t position = 0; position < length; ++position) {
      const CachedRow key(args, sequence, position, 0, head);
      float dot = 0.0f;
      for (std::int64_t d = 0; d < geometry.d_head; ++d) dot += q[d] * key.Element(d);
      dot *= key.Scale();
      scores[static_cast<std::size_t>(position)] = dot * geometry.scale;
      largest = std::max(largest, dot * geometry.scale);
    }
    float sum = 0.0f;
    for (float& score : scores) sum += score = std::exp(score - largest);
    float* y = args.y.data<float>() + (row * geometry.local_heads + head) * geometry.d_head;
    std::fill_n(y, geometry.d_head, 0.0f);
    for (std::int64_t position = 0; position < length; ++position) {
      const CachedRow value(args, sequence, position, 1, head);
      const float weight = scores[static_cast<std::size_t>(position)] / sum * value.Scale();
      for (std::int64_t d = 0; d < geometry.d_head; ++d) y[d] += weight * value.Element(d);
    }
  }
};

}  // namespace

std::unique_ptr<Ops> MakeOps() { return std::make_unique<ReferenceOps>(); }

}  // namespace lockstep::reference
