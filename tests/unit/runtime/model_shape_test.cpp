#include "runtime/options/model_shape.h"

#include <gmock/gmock.h>

#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

ModelShape Pythia70m() {
  ModelShape shape;
  shape.family = Family::kGptNeoX;
  shape.layers = 6;
  shape.d_model = 512;
  shape.heads = 8;
  shape.rotary_dims = 16;
  shape.vocab_rows = 50304;
  shape.context = 2048;
  return shape;
}

TEST(SpecFromShape, FillsInTheFamilysUsualValues) {
  const ModelSpec neox = SpecFromShape(Pythia70m(), "run.yaml");
  EXPECT_EQ(neox.d_ff, 2048);
  EXPECT_EQ(neox.gelu, GeluKind::kExact);
  EXPECT_TRUE(neox.attention_bias);
  EXPECT_TRUE(neox.parallel_residual);

  ModelShape shape = Pythia70m();
  shape.family = Family::kGptJ;
  const ModelSpec gptj = SpecFromShape(shape, "run.yaml");
  EXPECT_EQ(gptj.gelu, GeluKind::kTanh);
  EXPECT_FALSE(gptj.attention_bias);
}

TEST(SpecFromShape, TakesEveryStatedField) {
  ModelShape shape = Pythia70m();
  shape.d_ff = 100;
  shape.rotary_base = 500.0;
  shape.norm_epsilon = 1e-6;
  shape.gelu = GeluKind::kTanh;
  shape.parallel_residual = false;
  shape.attention_bias = false;
  shape.tied_embeddings = true;
  const ModelSpec spec = SpecFromShape(shape, "run.yaml");
  EXPECT_EQ(spec.d_ff, 100);
  EXPECT_EQ(spec.rope.base, 500.0);
  EXPECT_EQ(spec.norm_epsilon, 1e-6);
  EXPECT_EQ(spec.gelu, GeluKind::kTanh);
  EXPECT_FALSE(spec.parallel_residual);
  EXPECT_FALSE(spec.attention_bias);
  EXPECT_TRUE(spec.tied_embeddings);
}

ModelShape Gpt2() {
  ModelShape shape = Pythia70m();
  shape.family = Family::kGpt2;
  shape.rotary_dims.reset();
  return shape;
}

TEST(SpecFromShape, OfGpt2NeedsNoRotaryDims) {
  const ModelSpec spec = SpecFromShape(Gpt2(), "run.yaml");
  EXPECT_EQ(spec.rotary_dims, 0);
  EXPECT_EQ(spec.gelu, GeluKind::kTanh);
  EXPECT_TRUE(spec.attention_bias);
  EXPECT_FALSE(spec.parallel_residual);
  EXPECT_TRUE(spec.tied_embeddings);
}

TEST(SpecFromShape, RefusesWhatAFamilyHasOneWayOnly) {
  const auto message = [](const ModelShape& shape) {
    return MessageOf([&] { SpecFromShape(shape, "run.yaml"); });
  };
  ModelShape shape = Gpt2();
  shape.parallel_residual = true;
  EXPECT_EQ(message(shape),
            "run.yaml: model.shape.parallel_residual is true; GPT-2 has only the sequential one");
  shape = Gpt2();
  shape.attention_bias = false;
  EXPECT_EQ(message(shape),
            "run.yaml: model.shape.attention_bias is false; GPT-2's attention has biases");
  shape = Gpt2();
  shape.rotary_dims = 16;
  EXPECT_THAT(message(shape), HasSubstr("model.shape.rotary_dims is 16; GPT-2 has a table of "
                                        "positions"));
  shape = Pythia70m();
  shape.family = Family::kGptJ;
  shape.parallel_residual = false;
  EXPECT_EQ(message(shape),
            "run.yaml: model.shape.parallel_residual is false; GPT-J has only the parallel one");
  shape.parallel_residual.reset();
  shape.attention_bias = true;
  EXPECT_EQ(message(shape),
            "run.yaml: model.shape.attention_bias is true; GPT-J's attention has no biases");
}

TEST(SpecFromShape, TakesAHeadsWidthAndRefusesGroupsOfHeads) {
  ModelShape shape = Pythia70m();
  shape.heads = 7;  // does not divide 512
  shape.d_head = 80;
  shape.kv_heads = 7;
  const ModelSpec spec = SpecFromShape(shape, "run.yaml");
  EXPECT_EQ(spec.d_head(), 80);
  EXPECT_EQ(spec.attention_width(), 560);
  shape.kv_heads = 1;
  EXPECT_EQ(
      MessageOf([&] { SpecFromShape(shape, "run.yaml"); }),
      "run.yaml: model.shape: 1 heads of keys and values for 7 attention heads; grouped heads "
      "are not supported, so expected as many");
}

TEST(SpecFromShape, NamesWhatIsMissing) {
  ModelShape shape = Pythia70m();
  shape.heads.reset();
  EXPECT_THAT(MessageOf([&] { SpecFromShape(shape, "run.yaml"); }),
              testing::StartsWith("run.yaml: model.shape.heads is missing"));
}

TEST(SpecFromShape, RefusesNumbersThatDoNotBelongTogether) {
  ModelShape shape = Pythia70m();
  shape.heads = 7;
  EXPECT_THAT(MessageOf([&] { SpecFromShape(shape, "run.yaml"); }),
              HasSubstr("run.yaml: model.shape: hidden size 512"));
}

TEST(CheckAgreement, AcceptsWhatIsNotStatedAndWhatIsEqual) {
  const ModelSpec spec = SpecFromShape(Pythia70m(), "run.yaml");
  EXPECT_NO_THROW(CheckAgreement({}, spec, "model"));
  EXPECT_NO_THROW(CheckAgreement(Pythia70m(), spec, "model"));
}

TEST(CheckAgreement, NamesTheFieldInWhichTheyDiffer) {
  const ModelSpec spec = SpecFromShape(Pythia70m(), "run.yaml");
  ModelShape shape;
  shape.layers = 7;
  EXPECT_EQ(MessageOf([&] { CheckAgreement(shape, spec, "models/tiny"); }),
            "models/tiny: the checkpoint has layers = 6, but the configuration says "
            "model.shape.layers = 7; correct the shape or choose the checkpoint it describes");
  shape = {};
  shape.gelu = GeluKind::kTanh;
  EXPECT_THAT(MessageOf([&] { CheckAgreement(shape, spec, "models/tiny"); }),
              HasSubstr("gelu = exact"));
  shape = {};
  shape.family = Family::kGptJ;
  EXPECT_THAT(MessageOf([&] { CheckAgreement(shape, spec, "models/tiny"); }),
              HasSubstr("family = gpt_neox"));
}

TEST(IsStated, IsFalseForAnEmptyShapeOnly) {
  EXPECT_FALSE(IsStated({}));
  ModelShape shape;
  shape.tied_embeddings = false;
  EXPECT_TRUE(IsStated(shape));
}

}  // namespace
}  // namespace lockstep
