#include "planning/fit/measurements.h"

#include <gmock/gmock.h>

#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// As `lockstep bench` writes them, shortened.
constexpr const char* kBatch = R"({"model": "m", "dtype": "bf16", "ranks": 2, "threads_per_rank": 1,
  "cases": [{"benchmark": "batch", "sequences": 8, "prompt_tokens": 16, "new_tokens": 4,
             "tokens_per_second": {"median": 123.5, "min": 100, "max": 140, "rounds": [123.5]}}]})";
constexpr const char* kPrefill = R"({"dtype": "int8", "ranks": 1, "threads_per_rank": 2,
  "cases": [{"benchmark": "prefill", "sequences": 1, "prompt_tokens": 512, "new_tokens": 0,
             "tokens_per_second": {"median": 700}}]})";
constexpr const char* kComm = R"({"ranks": 2, "cases": [
  {"benchmark": "comm", "bytes": 4096, "lockstep_us": {"median": 1.5}},
  {"benchmark": "comm", "bytes": 65536, "lockstep_us": {"median": 7}, "in_step_us": {"median": 9}}]})";

std::string ReadOf(const std::string& result_model, const std::string& planned) {
  return MessageOf([&] {
    Measurements all;
    AddResult({{"model", result_model}}, "r.json", {.model = planned}, all);
  });
}

Measurements Read(const std::string& text, const ResultContext& context = {}) {
  Measurements all;
  AddResult(ParseJson(text, "r.json"), "r.json", context, all);
  return all;
}

TEST(AddResult, ReadsSpeeds) {
  const Measurements all = Read(kBatch);
  ASSERT_EQ(all.speeds.size(), 1u);
  const SpeedPoint& one = all.speeds.front();
  EXPECT_EQ(one.name, "batch bf16, 2 x 1, 8 x (16, 4)");
  EXPECT_FALSE(one.of_prompts);
  EXPECT_EQ(one.layout, (Layout{.tp = 2, .threads = 1, .format = WeightFormat::kBF16}));
  EXPECT_EQ(one.load.texts, 8);
  EXPECT_DOUBLE_EQ(one.tokens_per_second, 123.5);
  EXPECT_DOUBLE_EQ(one.tokens(), 32.0);
}

TEST(AddResult, ReadsPrompts) {
  const SpeedPoint one =
      Read(kPrefill, {.max_step_tokens = 2048, .cache_dtype = DType::kI8}).speeds.front();
  EXPECT_TRUE(one.of_prompts);
  EXPECT_DOUBLE_EQ(one.tokens(), 512.0);
  EXPECT_EQ(one.load.max_step_tokens, 2048);
  EXPECT_EQ(one.layout.format, WeightFormat::kInt8);
  EXPECT_EQ(one.layout.cache_dtype, DType::kI8);
  EXPECT_EQ(Read(kPrefill).speeds.front().layout.cache_dtype, DType::kBF16);
}

TEST(AddResult, ReadsAllReduces) {
  const Measurements all = Read(kComm);
  ASSERT_EQ(all.reduces.size(), 2u);
  EXPECT_EQ(all.reduces[1].ranks, 2);
  EXPECT_DOUBLE_EQ(all.reduces[1].bytes, 65536.0);
  EXPECT_DOUBLE_EQ(all.reduces[1].seconds, 9e-6);
}

constexpr const char* kScaling = R"({"benchmark": "scaling", "points": [
  {"dtype": "bf16", "ranks": 2, "sequences": 4, "prompt_tokens": 64, "new_tokens": 8,
   "threads_per_rank": 1, "oversubscribed": false,
   "prefill": {"tokens_per_second": {"median": 900}},
   "decode": {"tokens_per_second": {"median": 60}}},
  {"dtype": "bf16", "ranks": 4, "sequences": 4, "prompt_tokens": 64, "new_tokens": 8,
   "threads_per_rank": 1, "oversubscribed": true,
   "prefill": {"tokens_per_second": {"median": 900}},
   "decode": {"tokens_per_second": {"median": 60}}}]})";

TEST(AddResult, ReadsBothStagesOfAScalingSweep) {
  const Measurements all = Read(kScaling);
  ASSERT_EQ(all.speeds.size(), 2u);  // ranks that share cores are no machine
  EXPECT_EQ(all.speeds[0].name, "prefill bf16, 2 x 1, 4 x (64, 0)");
  EXPECT_TRUE(all.speeds[0].of_prompts);
  EXPECT_DOUBLE_EQ(all.speeds[0].tokens(), 256.0);
  EXPECT_EQ(all.speeds[1].name, "decode bf16, 2 x 1, 4 x (64, 8)");
  EXPECT_DOUBLE_EQ(all.speeds[1].tokens_per_second, 60.0);
}

TEST(AddResult, KnowsTheStagesOfAPipeline) {
  std::string text = kScaling;
  text.replace(text.find("\"ranks\": 2"), 10, "\"ranks\": 4, \"pipeline_stages\": 2");
  const Measurements all = Read(text);
  ASSERT_EQ(all.speeds.size(), 2u);
  EXPECT_EQ(all.speeds[0].layout.tp, 2);
  EXPECT_EQ(all.speeds[0].layout.pp, 2);
  EXPECT_EQ(all.speeds[1].name, "decode bf16, 2 stages of 2 x 1, 4 x (64, 8)");
}

std::string ErrorOf(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  return MessageOf([&] { Read(text); });
}

TEST(AddResult, RefusesWhatIsNoResult) {
  for (const char* text : {"{}", "[]", "3", R"({"cases": []})", R"({"cases": 3})"})
    EXPECT_THAT(MessageOf([&] { Read(text); }), HasSubstr("r.json: a list of cases is missing"))
        << text;
  EXPECT_THAT(ErrorOf(kScaling, "\"decode\"", "\"tokens\""), HasSubstr("decode is missing"));
  EXPECT_THAT(ErrorOf(kBatch, "\"ranks\": 2", "\"ranks\": 0"),
              HasSubstr("ranks is 0; expected an integer from 1"));
  EXPECT_THAT(ErrorOf(kBatch, "\"ranks\": 2", "\"ranks\": 3, \"pipeline_stages\": 2"),
              HasSubstr("3 ranks in 2 stages; expected as many ranks in each"));
  EXPECT_THAT(ErrorOf(kBatch, "\"sequences\": 8, ", ""), HasSubstr("sequences is missing"));
  EXPECT_THAT(ErrorOf(kBatch, "bf16", "fp6"), HasSubstr("dtype is fp6; expected fp32, bf16"));
  EXPECT_THAT(ErrorOf(kBatch, "123.5,", "0,"), HasSubstr("tokens_per_second is 0"));
  EXPECT_THAT(ErrorOf(kBatch, "\"tokens_per_second\"", "\"speed\""),
              HasSubstr("tokens_per_second is missing"));
  EXPECT_THAT(ErrorOf(kBatch, "\"new_tokens\": 4", "\"new_tokens\": 0"),
              HasSubstr("new_tokens is 0"));
}

TEST(AddResult, RefusesResultsOfAnotherModel) {
  EXPECT_THAT(ReadOf("EleutherAI/pythia-410m", "configs/pythia-160m.yaml"),
              HasSubstr("r.json: is of the model \"EleutherAI/pythia-410m\"; expected results of "
                        "\"configs/pythia-160m.yaml\""));
  // The same model under other names: what is wrong is what comes next.
  for (const char* name : {"./pythia-160m/", "configs/pythia-160m.yaml", "pythia-160m", ""})
    EXPECT_THAT(ReadOf(name, "EleutherAI/pythia-160m"), HasSubstr("cases")) << name;
}

}  // namespace
}  // namespace lockstep
