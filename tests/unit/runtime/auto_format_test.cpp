#include "runtime/auto_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/files/file.h"
#include "layers/kernels/backend.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/message_of.h"
#include "tests/support/ranks_alike.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

TEST(AutoFormat, KeepsSixteenBitsOnProcessorsThatMultiplyBf16) {
  for (const DType stored : {DType::kF16, DType::kBF16}) {
    EXPECT_EQ(DecideFormat({.stored = stored, .multiplies_bf16 = true}).format,
              WeightFormat::kBF16);
    EXPECT_EQ(DecideFormat({.stored = stored, .multiplies_bf16 = false}).format,
              WeightFormat::kF32);
  }
  for (const bool multiplies : {true, false}) {
    for (const DType stored : {DType::kF32, DType::kF64})
      EXPECT_EQ(DecideFormat({.stored = stored, .multiplies_bf16 = multiplies}).format,
                WeightFormat::kF32);
    EXPECT_EQ(DecideFormat({.multiplies_bf16 = multiplies}).format, WeightFormat::kF32);
  }
}

TEST(AutoFormat, IsTheCheckpointsOwnOnGpusOrBf16) {
  const auto on_gpus = [](std::optional<DType> stored, std::optional<DType> cache) {
    return DecideFormat({.stored = stored, .on_gpus = true, .cache_dtype = cache}).format;
  };
  EXPECT_EQ(on_gpus(DType::kF16, {}), WeightFormat::kF16);
  EXPECT_EQ(on_gpus(DType::kBF16, {}), WeightFormat::kBF16);
  EXPECT_EQ(on_gpus(DType::kF32, {}), WeightFormat::kBF16);
  EXPECT_EQ(on_gpus({}, {}), WeightFormat::kBF16);
  EXPECT_EQ(on_gpus(DType::kF16, DType::kF8), WeightFormat::kF16);
  // GPUs keep keys and values as they keep the weights, or in fp8.
  EXPECT_EQ(on_gpus(DType::kF16, DType::kBF16), WeightFormat::kBF16);
  EXPECT_EQ(on_gpus(DType::kBF16, DType::kF16), WeightFormat::kF16);
}

TEST(AutoFormat, SaysWhy) {
  const auto text = [](const FormatFacts& facts) { return FormatText(DecideFormat(facts)); };
  EXPECT_EQ(text({.stored = DType::kF16, .multiplies_bf16 = true}),
            "dtype: bf16 (checkpoint is fp16; this processor multiplies bf16)");
  EXPECT_EQ(text({.stored = DType::kBF16}),
            "dtype: fp32 (checkpoint is bf16; this processor has no instructions for bf16)");
  EXPECT_EQ(text({.stored = DType::kBF16, .ranks = 2}),
            "dtype: fp32 (checkpoint is bf16; not every rank's processor has instructions for "
            "bf16)");
  EXPECT_EQ(text({.stored = DType::kF32, .multiplies_bf16 = true}),
            "dtype: fp32 (checkpoint is fp32)");
  EXPECT_EQ(text({}), "dtype: fp32 (no checkpoint says otherwise)");
  EXPECT_EQ(text({.stored = DType::kF32, .on_gpus = true}),
            "dtype: bf16 (checkpoint is fp32; GPUs compute in 16 bits)");
}

TEST(StoredDType, IsThatOfMostWeights) {
  const TemporaryFolder folder;
  WriteText(folder / "config.json", R"({"torch_dtype": "float32"})");
  const std::vector<CheckpointTensor> tensors = {PatternTensor("a.norm", DType::kF32, {64}, 1),
                                                 PatternTensor("b.norm", DType::kF32, {64}, 2),
                                                 PatternTensor("matrix", DType::kF16, {64, 64}, 3)};
  WriteSafetensors(folder / "model.safetensors", tensors);
  EXPECT_EQ(StoredDType(folder.path()), DType::kF16);
}

TEST(StoredDType, IsConfigJsonsWordWhereThereAreNoWeights) {
  const TemporaryFolder folder;
  const auto says = [&](const char* config) {
    WriteText(folder / "config.json", config);
    return StoredDType(folder.path());
  };
  EXPECT_EQ(says(R"({"torch_dtype": "float16"})"), DType::kF16);
  EXPECT_EQ(says(R"({"torch_dtype": "bfloat16"})"), DType::kBF16);
  EXPECT_EQ(says(R"({"dtype": "float32", "torch_dtype": "float16"})"), DType::kF32);
  for (const char* none : {"{}", R"({"torch_dtype": null})", R"({"dtype": "auto"})", "[]"})
    EXPECT_EQ(says(none), std::nullopt) << none;
}

TEST(StoredDType, RefusesADamagedFile) {
  const TemporaryFolder folder;
  WriteText(folder / "config.json", "{}");
  WriteText(folder / "model.safetensors", "not a checkpoint");
  EXPECT_THAT(MessageOf([&] { StoredDType(folder.path()); }),
              testing::HasSubstr("model.safetensors"));
}

TEST(FormatHere, IsTheOneThatIsStated) {
  Options options;
  options.model.dtype = WeightFormat::kInt4;
  EXPECT_EQ(FormatHere(options, DType::kF16, 1).format, WeightFormat::kInt4);
}

TEST(FormatHere, FollowsTheKernelsThatWereSelected) {
  Options options;
  const bool fast = MultipliesBf16(BackendKind::kCpu);
  EXPECT_EQ(FormatHere(options, DType::kF16, 1).format,
            fast ? WeightFormat::kBF16 : WeightFormat::kF32);
  options.engine.backend = BackendKind::kReference;
  EXPECT_EQ(FormatHere(options, DType::kF16, 1).format, WeightFormat::kF32);
}

// A rank whose peer on another host has said already whether its processor multiplies bf16.
class RankBesideAnother : public RankAlike {
 public:
  explicit RankBesideAnother(bool other_multiplies)
      : RankAlike(1, {"here", "there"}), other_multiplies_(other_multiplies) {}

  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override {
    return {Bytes{static_cast<std::byte>(other_multiplies_ ? 1 : 0)},
            Bytes(mine.begin(), mine.end())};
  }

 private:
  bool other_multiplies_;
};

TEST(AgreeOnFormat, GoesByTheSlowestProcessor) {
  const Options options;
  for (const bool other : {true, false}) {
    RankBesideAnother world(other);
    ModelFiles model;
    model.stored = DType::kF16;
    AgreeOnFormat(options, model, world);
    EXPECT_EQ(model.format, other && MultipliesBf16(BackendKind::kCpu) ? WeightFormat::kBF16
                                                                       : WeightFormat::kF32);
  }
}

TEST(AgreeOnFormat, LeavesWhatIsStated) {
  Options options;
  options.model.dtype = WeightFormat::kInt8;
  RankBesideAnother world(false);
  ModelFiles model;
  model.format = WeightFormat::kInt8;
  AgreeOnFormat(options, model, world);
  EXPECT_EQ(model.format, WeightFormat::kInt8);
}

}  // namespace
}  // namespace lockstep
