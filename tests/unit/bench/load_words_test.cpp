#include "bench/load/load_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Lengths, AreFixedUniformOrLognormal) {
  EXPECT_EQ(ParseLengths("128", "--input-len").first, 128);
  const LengthDistribution uniform = ParseLengths("uniform:64-256", "--input-len");
  EXPECT_EQ(uniform.kind, LengthDistribution::Kind::kUniform);
  EXPECT_EQ(uniform.first, 64);
  EXPECT_EQ(uniform.last, 256);
  const LengthDistribution lognormal = ParseLengths("lognormal:128,0.5,1024", "--input-len");
  EXPECT_EQ(lognormal.kind, LengthDistribution::Kind::kLognormal);
  EXPECT_EQ(lognormal.first, 128);
  EXPECT_EQ(lognormal.sigma, 0.5);
  EXPECT_EQ(lognormal.last, 1024);
}

TEST(Lengths, AreShownAsTheyAreWritten) {
  for (const char* words : {"128", "uniform:64-256", "lognormal:128,0.5", "lognormal:128,0.5,1024"})
    EXPECT_EQ(Shown(ParseLengths(words, "--input-len")), words);
}

TEST(Lengths, AreRefusedWhereTheyMakeNoSense) {
  for (const char* words : {"", "0", "-3", "1.5", "12x", "uniform:", "uniform:9-3", "uniform:0-3",
                            "uniform:1-2-3", "lognormal:128", "lognormal:128,-1",
                            "lognormal:128,nan", "lognormal:128,0.5,64", "normal:3", "99999999999"})
    EXPECT_THAT(MessageOf([&] { ParseLengths(words, "--output-len"); }),
                HasSubstr("--output-len is \"" + std::string(words) + "\"; expected"))
        << words;
}

TEST(Target, HasLimitsInMillisecondsUnlessTheySayOtherwise) {
  const LatencyTarget target = ParseTarget("ttft:500ms,tpot:50,e2el:1.5s");
  EXPECT_DOUBLE_EQ(*target.ttft, 0.5);
  EXPECT_DOUBLE_EQ(*target.tpot, 0.05);
  EXPECT_DOUBLE_EQ(*target.e2el, 1.5);
  EXPECT_EQ(Shown(target), "ttft:500ms,tpot:50ms,e2el:1500ms");
  EXPECT_FALSE(ParseTarget("tpot:0").ttft);
  EXPECT_TRUE(ParseTarget("ttft:1 tpot:2").tpot);  // as vllm has them
}

TEST(Target, IsRefusedWithTheNearestName) {
  const auto message = [](const char* words) { return MessageOf([&] { ParseTarget(words); }); };
  EXPECT_THAT(message("ttf:5"), HasSubstr("there is no latency \"ttf\"; the nearest is ttft"));
  EXPECT_THAT(message("ttft"), HasSubstr("\"ttft\" is no latency and its limit"));
  EXPECT_THAT(message(""), HasSubstr("is no latency and its limit"));
  for (const char* words : {"ttft:", "ttft:-1", "ttft:5h", "ttft:inf", "ttft:ms"})
    EXPECT_THAT(message(words), HasSubstr("the limit of ttft is")) << words;
  EXPECT_THAT(message("ttft:1,ttft:2"), HasSubstr("given twice"));
}

TEST(Percentiles, AreSortedAndGivenOnce) {
  EXPECT_THAT(ParsePercentiles("99,50,99.9,50"), ElementsAre(50, 99, 99.9));
  for (const char* words : {"", "101", "-1", "p99", "50,"})
    EXPECT_THAT(MessageOf([&] { ParsePercentiles(words); }), HasSubstr("--percentiles is"))
        << words;
}

TEST(PromptIds, AreARange) {
  EXPECT_EQ(ParseIds("3-9"), (std::pair<std::int32_t, std::int32_t>(3, 9)));
  for (const char* words : {"", "3", "9-3", "-1-3", "a-b", "1-2-3", "1-99999999999"})
    EXPECT_THAT(MessageOf([&] { ParseIds(words); }), HasSubstr("--prompt-ids is")) << words;
}

}  // namespace
}  // namespace lockstep
