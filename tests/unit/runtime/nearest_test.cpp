#include "runtime/options/nearest.h"

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

}  // namespace
}  // namespace lockstep
