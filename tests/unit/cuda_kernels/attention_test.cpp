// Rotary with append, prefill and decode attention over pages: against the reference backend, and
// against themselves in other batches.
#include "kernel_fixture.h"
#include "layers/kernels/backend.h"

namespace lockstep::cuda {
namespace {

constexpr std::int64_t kContext = 400;
constexpr std::int64_t kPages = 26;

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

CacheFormat FormatOf(const Attended& model, DType type) {
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
             std::int64_t padding = 0) {
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
    PrefillAttention({.q = q.data(),
                      .type = type_,
                      .tiles = tiles.data(),
                      .tile_count = static_cast<std::int64_t>(tiles_.size()),
                      .page_tables = tables.data(),
                      .page_table_stride = kTableWidth,
                      .cache = cache(),
                      .score_factor = model_.score_factor,
                      .y = y.data()},
                     stream_);
    const auto decode_count = static_cast<std::int64_t>(decode_rows_.size());
    const Device<float> partial(
        static_cast<std::size_t>(DecodePartialElements(cache(), decode_count, kContext)));
    const Device<unsigned> arrived(
        std::vector<unsigned>(static_cast<std::size_t>(decode_count * model_.heads), 0));
    DecodeAttention({.q = q.data(),
                     .type = type_,
                     .row_index = decode_rows.data(),
                     .row_count = decode_count,
                     .rows = batch,
                     .cache = cache(),
                     .score_factor = model_.score_factor,
                     .max_positions = kContext,
                     .partial = partial.data(),
                     .arrived = arrived.data(),
                     .y = y.data()},
                    stream_);
    for (const unsigned count : arrived.Values()) EXPECT_EQ(count, 0U) << "for the next launch";
    return WithoutPadding(y.Values(), padding);
  }

 private:
  static constexpr std::int64_t kTableWidth = 14;
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
    decode_rows_ = {-1};  // a row that fills up a bucket
    tiles_ = {PrefillTile{}};
    for (std::size_t sequence = 0; sequence < parts.size(); ++sequence) {
      const Part& part = parts[sequence];
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

const std::vector<std::int32_t> kFirstPages{7, 2, 11, 9, 8, 10, 1, 4, 6, 12, 13, 20, 24};
const std::vector<std::int32_t> kSecondPages{0, 5, 3, 14, 15, 16, 17, 18, 19, 21, 22, 23, 25};

class AttentionKernels : public KernelTest {
 protected:
  // The reference keeps queries and probabilities in fp32, and an fp8 cache in the same fp8.
  float Tolerance() const { return type() == DType::kBF16 ? 2e-2f : 3e-3f; }
  Floats Qkv(const Attended& model, std::int64_t rows) {
    return Rounded(type(), random_.Values(rows * model.row_width(), 2.0f));
  }

  // Prompts in chunks and single tokens of two sequences, mixed as a scheduler mixes them.
  void ExpectTheReferences(Attended& model) {
    SCOPED_TRACE(testing::Message() << "d_head " << model.d_head << (model.fp8 ? " fp8" : ""));
    model.Fill(random_);
    Layer layer(model, type(), stream_);
    ReferenceLayer reference(model);
    std::vector<Part> parts{{kFirstPages}, {kSecondPages}};
    // Steps of the two sequences: across tiles of 64 rows, pages and splits of 128 positions.
    for (const auto& [first, second] : {std::pair{67, 3}, {1, 40}, {70, 1}, {1, 1}, {0, 1}}) {
      parts[0].start += std::exchange(parts[0].count, first);
      parts[1].start += std::exchange(parts[1].count, second);
      const Floats qkv = Qkv(model, first + second);
      const Floats found = layer.Run(qkv, parts, 1, 2);
      ExpectNear(found, reference.Run(qkv, parts), Tolerance());
    }
  }
};

TEST_P(AttentionKernels, MatchTheReferenceForEveryHeadWidth) {
  const auto [kNeoX, kGptJ] = std::pair(RotaryKind::kHalfSplit, RotaryKind::kInterleaved);
  const auto [kFused, kSeparate] = std::pair(QkvLayout::kFusedPerHead, QkvLayout::kSeparate);
  for (Attended model :
       {Attended{3, 10, 4, kSeparate, kGptJ}, Attended{2, 32, 32, kFused, kNeoX},
        Attended{2, 64, 16, kFused, kNeoX}, Attended{1, 80, 20, kFused, kNeoX},
        Attended{2, 96, 24, kFused, kNeoX}, Attended{1, 128, 32, kFused, kNeoX},
        Attended{1, 256, 64, kSeparate, kGptJ}, Attended{2, 64, 64, kSeparate, kGptJ, true},
        Attended{1, 80, 20, kFused, kNeoX, true}, Attended{1, 256, 64, kSeparate, kGptJ, true}})
    ExpectTheReferences(model);
}

TEST_P(AttentionKernels, MatchTheReferenceInFp8OverRandomShapes) {
  for (int round = 0; round < 4; ++round) {
    Attended model{.heads = random_.Int(1, 3), .d_head = 2 * random_.Int(1, 80), .fp8 = true};
    model.rotary_dims = 2 * random_.Int(1, model.d_head / 2);
    model.layout = random_.Of({QkvLayout::kFusedPerHead, QkvLayout::kSeparate});
    model.rotary = random_.Of({RotaryKind::kHalfSplit, RotaryKind::kInterleaved});
    ExpectTheReferences(model);
  }
}

TEST_P(AttentionKernels, MultiplyScoresByTheirFactor) {
  Attended model{.heads = 2, .d_head = 20, .rotary_dims = 2, .score_factor = 0.25f};
  model.layout = QkvLayout::kSeparate;
  ExpectTheReferences(model);
}

// Values of every size, and zeros: a row that sees only itself gives its value back.
TEST_P(AttentionKernels, RoundValuesInFp8ByFourBitsOfTheirMantissaWhateverTheirSize) {
  Attended model{.heads = 1, .d_head = 64, .fp8 = true};
  model.Fill(random_);
  model.bias.assign(model.bias.size(), 0.0f);
  for (const float size : {0.0f, 1e-4f, 1.0f, 1e3f, 3e4f}) {
    const Floats qkv = Rounded(type(), random_.Values(model.row_width(), size));
    Layer layer(model, type(), stream_);
    const Floats y = layer.Run(qkv, {{kFirstPages, 0, 1}}, 1);
    const Floats v(qkv.end() - model.d_head, qkv.end());
    float largest = 0.0f;
    for (const float one : v) largest = std::max(largest, std::abs(one));
    for (std::size_t i = 0; i < v.size(); ++i)
      EXPECT_NEAR(y[i], v[i],
                  std::abs(v[i]) * (0x1p-4f + Epsilon(type())) + largest * 0x1p-10f / 448.0f)
          << "of " << largest;
  }
}

TEST_P(AttentionKernels, GiveARowTheSameBitsInEveryChunkOfThePrompt) {
  Attended model{.heads = 1, .d_head = 64, .rotary_dims = 16};
  model.Fill(random_);
  constexpr std::int64_t kTokens = 150;
  const Floats qkv = Qkv(model, kTokens);
  const auto run = [&](std::int64_t chunk) {
    Layer layer(model, type(), stream_);
    Floats y;
    for (std::int64_t start = 0; start < kTokens; start += chunk) {
      const std::int64_t count = std::min(chunk, kTokens - start);
      const Floats rows(qkv.begin() + start * model.row_width(),
                        qkv.begin() + (start + count) * model.row_width());
      const Floats part = layer.Run(rows, {{kSecondPages, start, count}}, 0);
      y.insert(y.end(), part.begin(), part.end());
    }
    return y;
  };
  for (const bool fp8 : {false, true}) {
    model.fp8 = fp8;
    const Floats whole = run(kTokens);
    for (const std::int64_t chunk : {7, 64, 100}) EXPECT_EQ(run(chunk), whole) << chunk << fp8;
  }
}

TEST_P(AttentionKernels, GiveADecodedRowTheSameBitsInEveryBatch) {
  Attended model{.heads = 2, .d_head = 80, .rotary_dims = 20};
  model.Fill(random_);
  const Floats prompt = Qkv(model, 140), other = Qkv(model, 9), token = Qkv(model, 1);
  Floats rows = other;
  rows.insert(rows.end(), token.begin(), token.end());
  for (const bool fp8 : {false, true}) {
    model.fp8 = fp8;
    Layer alone(model, type(), stream_), together(model, type(), stream_);
    alone.Run(prompt, {{kFirstPages, 0, 140}}, 1);
    const Floats expected = alone.Run(token, {{kFirstPages, 140, 1}}, 1);
    together.Run(prompt, {{kFirstPages, 0, 140}}, 1);
    const Floats both = together.Run(rows, {{kSecondPages, 0, 9}, {kFirstPages, 140, 1}}, 1, 3);
    EXPECT_EQ(Floats(both.end() - static_cast<std::ptrdiff_t>(expected.size()), both.end()),
              expected);
  }
}

TEST_P(AttentionKernels, DoNothingForAnEmptyBatch) {
  Attended model{.heads = 1, .d_head = 32, .rotary_dims = 8};
  model.Fill(random_);
  Layer layer(model, type(), stream_);
  EXPECT_TRUE(layer.Run({}, {{kFirstPages, 0, 0}}, 1).empty());
}

TEST_P(AttentionKernels, RefuseHeadsAndCachesTheyHaveNoKernelFor) {
  EXPECT_THROW(HeadWidth(257), Error);
  const CacheFormat other = type() == DType::kBF16 ? CacheFormat::kF16 : CacheFormat::kBF16;
  const Cache cache{.format = other, .local_heads = 1, .d_head = 64};
  EXPECT_THROW(RotaryAppend({.type = type(), .cache = cache, .tokens = 1}, stream_), Error);
  EXPECT_THROW(PrefillAttention({.type = type(), .tile_count = 1, .cache = cache}, stream_), Error);
}

INSTANTIATE_TEST_SUITE_P(Kernels, AttentionKernels, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
