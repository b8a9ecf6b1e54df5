// Heads whose widths together are not d_model, on weights that are made up.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "comm/self_communicator.h"
#include "layers/decoder.h"
#include "partition/checkpoint/random_weights.h"

namespace lockstep {
namespace {

// The logits of all of a few tokens.
std::vector<float> Logits(const ModelSpec& spec, BackendKind kind) {
  constexpr std::int64_t kTokens = 20;
  const ShardPlan plan(spec, 1);
  SelfCommunicator communicator;
  const Backend backend = MakeBackend(kind, 1);
  Decoder decoder(
      plan,
      LoadWeights(spec, plan.Slices(0), WeightFormat::kF32, RandomWeights(3), backend, nullptr),
      backend, communicator, {.cache_pages = 1});
  Batch batch{.ids = std::vector<std::int32_t>(kTokens),
              .sequences = {{.token_count = kTokens, .page_table = {0}}},
              .logit_rows = std::vector<std::int64_t>(kTokens)};
  std::iota(batch.ids.begin(), batch.ids.end(), 7);
  std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
  const TensorView logits = decoder.Forward(batch);
  return {logits.data<float>(), logits.data<float>() + logits.elements()};
}

TEST(HeadWidth, MayBeOtherThanThatOfItsPartOfTheModel) {
  for (const Family family : kFamilies) {
    ModelSpec spec;
    spec.family = family;
    spec.layer_count = 2;
    spec.d_model = 50;
    spec.head_count = 3;
    spec.head_width = 24;
    spec.d_ff = 70;
    spec.rotary_dims = family == Family::kGpt2 ? 0 : 8;
    spec.vocab_rows = 90;
    spec.context_tokens = 32;
    spec.parallel_residual = family != Family::kGpt2;
    spec.attention_bias = family != Family::kGptJ;
    Validate(spec, "test");
    const std::vector<float> found = Logits(spec, BackendKind::kCpu);
    const std::vector<float> expected = Logits(spec, BackendKind::kReference);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-5);
    // A head's width is seen in them.
    spec.head_width = 16;
    EXPECT_NE(Logits(spec, BackendKind::kReference), expected);
  }
}

}  // namespace
}  // namespace lockstep
