// Rotary with append, prefill and decode attention over pages: against the reference backend, and
// against themselves in other batches.
#include "attention_layer.h"
#include "core/error.h"

namespace lockstep::cuda {
namespace {

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
