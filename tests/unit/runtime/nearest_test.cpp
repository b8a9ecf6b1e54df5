#include "runtime/options/words/nearest.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(EditDistance, CountsInsertionsRemovalsAndChanges) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("top_k", "top_k"), 0u);
  EXPECT_EQ(EditDistance("top_k", "top_p"), 1u);
  EXPECT_EQ(EditDistance("top_k", "topk"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
}

TEST(EditDistance, CountsASwapOfNeighboursOnce) { EXPECT_EQ(EditDistance("sede", "seed"), 1u); }

TEST(EditDistance, LooksAtTheBeginningOfEndlessNamesOnly) {
  EXPECT_EQ(EditDistance(std::string(1 << 20, 'a'), std::string(1 << 20, 'a') + "b"), 0u);
}

TEST(NearestName, PrefersTheSmallestDistance) {
  EXPECT_EQ(NearestName("--temprature", {"--top-p", "--temperature", "--seed"}), "--temperature");
}

TEST(NearestName, FindsAKeyByItsLastPart) {
  EXPECT_EQ(NearestName("max_new_token", {"engine.max_sequences", "sampling.max_new_tokens"}),
            "sampling.max_new_tokens");
}

TEST(NearestName, PrefersTheSameBeginningAmongEquals) {
  EXPECT_EQ(NearestName("max_tokens", {"tokens", "max_new_tokens"}), "max_new_tokens");
}

TEST(NearestName, TakesTheFirstOfEquals) { EXPECT_EQ(NearestName("b", {"a", "c"}), "a"); }

TEST(NearestName, IsEmptyWithoutCandidates) { EXPECT_EQ(NearestName("a", {}), ""); }

TEST(CloseName, IsWhatIsProbablyMeant) {
  EXPECT_EQ(CloseName("--temprature", {"--top-p", "--temperature"}), "--temperature");
  EXPECT_EQ(CloseName("--modl", {"--top-p", "--model"}), "--model");
  EXPECT_EQ(CloseName("temprature", {"sampling.temperature"}), "sampling.temperature");
  EXPECT_EQ(CloseName("samplin", {"sampling", "server"}), "sampling");
  EXPECT_EQ(CloseName("txt", {"id", "text"}), "text");
}

TEST(CloseName, IsEmptyWhereNothingIsLikeIt) {
  EXPECT_EQ(CloseName("--foo", {"--top-p", "--help"}), "");
  EXPECT_EQ(CloseName("-t", {"--help", "--n"}), "");
  EXPECT_EQ(CloseName("hellaswag", {"piqa", "winogrande", "sciq"}), "");
  EXPECT_EQ(CloseName("x", {}), "");
  EXPECT_EQ(CloseName("", {"a"}), "");
}

}  // namespace
}  // namespace lockstep
