// Attention by SumOrder::kFixed, whose splits of 512 positions are added by one block or by
// several.
#include <numeric>

#include "attention_layer.h"

namespace lockstep::cuda {
namespace {

class FixedAttention : public KernelTest {
 protected:
  FixedAttention() {
    model_.Fill(random_);
    std::iota(first_pages_.begin(), first_pages_.end(), 0);
    std::iota(second_pages_.rbegin(), second_pages_.rend(), 40);
  }
  Floats Qkv(std::int64_t rows) {
    return Rounded(type(), random_.Values(rows * model_.row_width(), 2.0f));
  }
  // Tiles alone, of single rows as well.
  Floats Run(Layer& layer, const Floats& qkv, const std::vector<Part>& parts) {
    return layer.Run(qkv, parts, 0, 0, SumOrder::kFixed);
  }
  Floats RowsOf(const Floats& qkv, std::int64_t first, std::int64_t count) const {
    return {qkv.begin() + first * model_.row_width(),
            qkv.begin() + (first + count) * model_.row_width()};
  }

  Attended model_{.heads = 1, .d_head = 32, .rotary_dims = 16};
  std::vector<std::int32_t> first_pages_ = std::vector<std::int32_t>(40);
  std::vector<std::int32_t> second_pages_ = std::vector<std::int32_t>(40);
};

TEST_P(FixedAttention, MatchesTheReferenceAcrossSplits) {
  Layer layer(model_, type(), stream_);
  ReferenceLayer reference(model_);
  std::vector<Part> parts{{first_pages_}, {second_pages_}};
  // A block for all splits where there are many rows, one for each where there are few; rows that
  // see nothing of a split that others of their tile see.
  for (const auto& [first, second] : {std::pair{500, 3}, {30, 1}, {560, 1}, {1, 1}}) {
    parts[0].start += std::exchange(parts[0].count, first);
    parts[1].start += std::exchange(parts[1].count, second);
    const Floats qkv = Qkv(first + second);
    ExpectNear(Run(layer, qkv, parts), reference.Run(qkv, parts),
               type() == DType::kBF16 ? 2e-2f : 3e-3f);
  }
}

TEST_P(FixedAttention, GivesARowTheSameBitsInEveryChunkAndByItself) {
  constexpr std::int64_t kTokens = 1060;
  const Floats qkv = Qkv(kTokens);
  for (const bool fp8 : {false, true}) {
    model_.fp8 = fp8;
    Layer at_once(model_, type(), stream_), cut(model_, type(), stream_);
    const Floats whole = Run(at_once, qkv, {{first_pages_, 0, kTokens}});
    Floats pieces;
    std::int64_t start = 0;
    for (const std::int64_t count : {500, 24, 1, 490, 30, 1, 14}) {
      const Floats piece = Run(cut, RowsOf(qkv, start, count), {{second_pages_, start, count}});
      pieces.insert(pieces.end(), piece.begin(), piece.end());
      start += count;
    }
    ASSERT_EQ(start, kTokens);
    EXPECT_EQ(pieces, whole) << (fp8 ? "fp8" : "");
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, FixedAttention, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
