#pragma once

// A layer's attention on the device and by the reference backend, for tests of the kernels.

#include "kernel_fixture.h"
#include "layers/kernels/backend.h"

namespace lockstep::cuda {

inline constexpr std::int64_t kContext = 1200;
inline constexpr std::int64_t kPages = 80;

// The shape of one model's attention, its weights' biases and its rotary table.
struct Attended {
  std::int64_t heads = 2;
  std::int64_t d_head = 64;
  std::int64_t rotary_dims = 16;
  QkvLayout layout = QkvLayout::kFusedPerHead;
  RotaryKind rotary = RotaryKind::kHalfSplit;
  bool fp8 = false;
  float score_factor = 1.0f;
  Floats cos = {}, sin = {}, bias = {};

  std::int64_t row_width() const { return 3 * heads * d_head; }
  void Fill(Random& random) {
    for (std::int64_t i = 0; i < kContext * rotary_dims / 2; ++i) {
      const double angle = static_cast<double>(i % (rotary_dims / 2) + 1) * 0.01 *
                           static_cast<double>(i / (rotary_dims / 2));
      cos.push_back(static_cast<float>(std::cos(angle)));
      sin.push_back(static_cast<float>(std::sin(angle)));
    }
    bias = random.Values(row_width(), 0.5f);
  }
};

inline CacheFormat FormatOf(const Attended& model, DType type) {
  if (model.fp8) return CacheFormat::kFp8E4M3;
  return type == DType::kBF16 ? CacheFormat::kBF16 : CacheFormat::kF16;
}

// A sequence's rows in a step: whether its new rows go through the decode or the prefill kernel.
struct Part {
  std::vector<std::int32_t> pages;
  std::int64_t start = 0;
  std::int64_t count = 0;
};

// One layer's cache on the device, and steps over it.
class Layer {
 public:
  Layer(const Attended& model, DType type, cudaStream_t stream)
      : model_(model),
        type_(type),
        stream_(stream),
        cos_(model.cos),
        sin_(model.sin),
        bias_(model.bias),
        // What pages held before must not matter: NaN in every format.
        pages_(std::vector<std::uint8_t>(
            static_cast<std::size_t>(kPages * 2 * model.heads * kPageTokens *
                                     CacheWidth(model.d_head, FormatOf(model, type)) *
                                     (model.fp8 ? 1 : 2)),
            0xff)) {}

  // qkv [rows, row_width]; the parts' rows follow each other. Decodes parts of at most `decoded`
  // rows, prefills the others. Fills up with `padding` rows of no sequence.
  Floats Run(const Floats& qkv, const std::vector<Part>& parts, std::int64_t decoded,
             std::int64_t padding = 0, SumOrder order = SumOrder::kQuickest) {
    DescribeBatch(parts, decoded, padding);
    const auto rows = static_cast<std::int64_t>(sequence_of_.size());
    Floats padded = qkv;
    padded.resize(static_cast<std::size_t>(rows * model_.row_width()), NAN);
    const Device<std::uint16_t> device_qkv(Pack(type_, padded));
    const Device<std::int32_t> sequence_of(sequence_of_), position_of(position_of_),
        tables(tables_), decode_rows(decode_rows_);
    const Device<PrefillTile> tiles(tiles_);
    const Device<std::uint16_t> q(
        static_cast<std::size_t>(rows * model_.heads * HeadWidth(model_.d_head)));
    Bits untouched(static_cast<std::size_t>(rows * model_.heads * model_.d_head), kUntouched);
    const Device<std::uint16_t> y(untouched);
    const BatchRows batch{sequence_of.data(), position_of.data(), tables.data(), kTableWidth};
    RotaryAppend({.qkv = device_qkv.data(),
                  .type = type_,
                  .layout = model_.layout,
                  .bias = bias_.data(),
                  .rotary = model_.rotary,
                  .rotary_dims = model_.rotary_dims,
                  .cos = cos_.data(),
                  .sin = sin_.data(),
                  .rows = batch,
                  .cache = cache(),
                  .q = q.data(),
                  .tokens = rows},
                 stream_);
    const Device<float> fixed_partial(
        static_cast<std::size_t>(FixedPartialElements(cache(), rows)));
    const Device<unsigned> fixed_arrived(
        std::vector<unsigned>(tiles_.size() * static_cast<std::size_t>(model_.heads), 0));
    PrefillAttention({.q = q.data(),
                      .type = type_,
                      .tiles = tiles.data(),
                      .tile_count = static_cast<std::int64_t>(tiles_.size()),
                      .page_tables = tables.data(),
                      .page_table_stride = kTableWidth,
                      .cache = cache(),
                      .score_factor = model_.score_factor,
                      .y = y.data(),
                      .order = order,
                      .rows = rows,
                      .max_positions = positions_,
                      .partial = fixed_partial.data(),
                      .arrived = fixed_arrived.data()},
                     stream_);
    for (const unsigned count : fixed_arrived.Values()) EXPECT_EQ(count, 0U);
    const auto decode_count = static_cast<std::int64_t>(decode_rows_.size());
    const Device<float> partial(
        static_cast<std::size_t>(DecodePartialElements(cache(), decode_count, positions_)));
    const Device<unsigned> arrived(
        std::vector<unsigned>(static_cast<std::size_t>(decode_count * model_.heads), 0));
    DecodeAttention({.q = q.data(),
                     .type = type_,
                     .row_index = decode_rows.data(),
                     .row_count = decode_count,
                     .rows = batch,
                     .cache = cache(),
                     .score_factor = model_.score_factor,
                     .max_positions = positions_,
                     .partial = partial.data(),
                     .arrived = arrived.data(),
                     .y = y.data()},
                    stream_);
    for (const unsigned count : arrived.Values()) EXPECT_EQ(count, 0U) << "for the next launch";
    return WithoutPadding(y.Values(), padding);
  }

 private:
  static constexpr std::int64_t kTableWidth = 40;
  static constexpr std::uint16_t kUntouched = 0x1234;

  Cache cache() const {
    return {.pages = pages_.data(),
            .format = FormatOf(model_, type_),
            .local_heads = model_.heads,
            .d_head = model_.d_head};
  }

  void DescribeBatch(const std::vector<Part>& parts, std::int64_t decoded, std::int64_t padding) {
    sequence_of_.clear();
    position_of_.clear();
    tables_.assign(parts.size() * kTableWidth, -1);
    positions_ = 1;
    decode_rows_ = {-1};  // a row that fills up a bucket
    tiles_ = {PrefillTile{}};
    for (std::size_t sequence = 0; sequence < parts.size(); ++sequence) {
      const Part& part = parts[sequence];
      positions_ = std::max(positions_, part.start + part.count);
      std::copy(part.pages.begin(), part.pages.end(),
                tables_.begin() + static_cast<std::ptrdiff_t>(sequence) * kTableWidth);
      const auto first_row = static_cast<std::int32_t>(sequence_of_.size());
      for (std::int64_t i = 0; i < part.count; ++i) {
        if (part.count <= decoded)
          decode_rows_.push_back(static_cast<std::int32_t>(sequence_of_.size()));
        sequence_of_.push_back(static_cast<std::int32_t>(sequence));
        position_of_.push_back(static_cast<std::int32_t>(part.start + i));
      }
      if (part.count <= decoded) continue;
      for (std::int64_t i = 0; i < part.count; i += kTileRows)
        tiles_.push_back(
            {static_cast<std::int32_t>(sequence), first_row + static_cast<std::int32_t>(i),
             static_cast<std::int32_t>(std::min<std::int64_t>(kTileRows, part.count - i)),
             static_cast<std::int32_t>(part.start + i)});
    }
    for (std::int64_t i = 0; i < padding; ++i) {
      decode_rows_.push_back(static_cast<std::int32_t>(sequence_of_.size()));
      sequence_of_.push_back(-1);
      position_of_.push_back(0);
    }
  }

  Floats WithoutPadding(Bits y, std::int64_t padding) const {
    const auto extra = static_cast<std::size_t>(padding * model_.heads * model_.d_head);
    for (std::size_t i = y.size() - extra; i < y.size(); ++i) EXPECT_EQ(y[i], kUntouched);
    y.resize(y.size() - extra);
    return Unpack(type_, y);
  }

  const Attended& model_;
  DType type_;
  cudaStream_t stream_;
  Device<float> cos_, sin_, bias_;
  Device<std::uint8_t> pages_;
  std::vector<std::int32_t> sequence_of_, position_of_, tables_, decode_rows_;
  std::vector<PrefillTile> tiles_;
  std::int64_t positions_ = 1;
};

// The same by the reference backend, whose cache is fp32, or fp8 with the same scales.
class ReferenceLayer {
 public:
  explicit ReferenceLayer(const Attended& model)
      : model_(model),
        cache_(Tensor::OnHost(dtype(), {kPages, 2, model.heads * kPageTokens,
                                        backend_->CacheWidth(model.d_head, dtype())})) {}

  Floats Run(Floats qkv, const std::vector<Part>& parts) {
    for (std::size_t i = 0; i < qkv.size(); ++i) qkv[i] += model_.bias[i % model_.bias.size()];
    std::vector<SequenceRows> sequences;
    std::int64_t rows = 0;
    for (const Part& part : parts) {
      sequences.push_back({rows, part.count, part.start, part.pages});
      rows += part.count;
    }
    Floats y(static_cast<std::size_t>(rows * model_.heads * model_.d_head));
    const auto view = [](const Floats& values, Shape shape) {
      return TensorView(const_cast<float*>(values.data()), DType::kF32, shape);
    };
    const Shape table{kContext, model_.rotary_dims / 2};
    backend_->Attention({.qkv = view(qkv, {rows, model_.row_width()}),
                         .layout = model_.layout,
                         .rotary = {model_.rotary, model_.rotary_dims, view(model_.cos, table),
                                    view(model_.sin, table)},
                         .score_factor = model_.score_factor,
                         .sequences = sequences,
                         .cache = {cache_.view(), model_.heads, kPageTokens, model_.d_head},
                         .y = view(y, {rows, model_.heads * model_.d_head})});
    return y;
  }

 private:
  DType dtype() const { return model_.fp8 ? DType::kF8 : DType::kF32; }

  const Attended& model_;
  std::unique_ptr<Ops> backend_ = MakeBackend(BackendKind::kReference, 1).ops;
  Tensor cache_;
};

}  // namespace lockstep::cuda
