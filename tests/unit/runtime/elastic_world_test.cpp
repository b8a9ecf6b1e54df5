#include "runtime/spawn/elastic_world.h"

#include <gtest/gtest.h>

#include <chrono>

namespace lockstep {
namespace {

using std::chrono::seconds;

constexpr int kLost = 4;  // a rank

TEST(NextSmaller, LeavesOutCopiesThenHalvesRanksThenStages) {
  WorldLayout layout{.tensor = 4, .pipeline = 2, .copies = 3};
  std::vector<WorldLayout> found;
  for (auto next = NextSmaller(layout); next; next = NextSmaller(*next)) found.push_back(*next);
  EXPECT_EQ(found,
            (std::vector<WorldLayout>{{4, 2, 2}, {4, 2, 1}, {2, 2, 1}, {1, 2, 1}, {1, 1, 1}}));
}

TEST(NextSmaller, HalvesOddCounts) {
  EXPECT_EQ(NextSmaller({.tensor = 3}), (WorldLayout{.tensor = 1}));
  EXPECT_EQ(NextSmaller({.tensor = 6}), (WorldLayout{.tensor = 3}));
}

TEST(WorldLayout, IsDescribed) {
  EXPECT_EQ(Describe({.tensor = 1}), "1 rank");
  EXPECT_EQ(Describe({.tensor = 4, .copies = 2}), "2 copies of 4 ranks");
  EXPECT_EQ(Describe({.tensor = 2, .pipeline = 3}), "3 stages of 2 ranks");
}

TEST(ElasticPlan, StartsAgainOnceAndThenWithFewer) {
  ElasticPlan plan({.tensor = 4});
  EXPECT_TRUE(plan.StartsAgain(kLost, seconds(5)));
  EXPECT_EQ(plan.layout().tensor, 4);
  EXPECT_TRUE(plan.StartsAgain(kLost, seconds(5)));
  EXPECT_EQ(plan.layout().tensor, 2);
  EXPECT_TRUE(plan.StartsAgain(kLost, seconds(5)));
  EXPECT_TRUE(plan.StartsAgain(kLost, seconds(5)));
  EXPECT_EQ(plan.layout().tensor, 1);
  EXPECT_TRUE(plan.StartsAgain(kLost, seconds(5)));
  EXPECT_FALSE(plan.StartsAgain(kLost, seconds(5)));
}

TEST(ElasticPlan, KeepsALayoutThatLivesLong) {
  ElasticPlan plan({.tensor = 4});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(plan.StartsAgain(kLost, seconds(100)));
  EXPECT_EQ(plan.layout().tensor, 4);
  EXPECT_TRUE(plan.StartsAgain(kLost, seconds(1)));
  EXPECT_EQ(plan.layout().tensor, 2);
}

TEST(ElasticPlan, DoesNotHalveWhatThenAddsUpInAnotherOrder) {
  ElasticPlan plan({.tensor = 6, .copies = 2});
  EXPECT_TRUE(plan.StartsAgain(kLost, seconds(5)));
  EXPECT_TRUE(plan.StartsAgain(kLost, seconds(5)));
  EXPECT_EQ(plan.layout(), (WorldLayout{.tensor = 6}));
  EXPECT_TRUE(plan.StartsAgain(kLost, seconds(5)));
  EXPECT_FALSE(plan.StartsAgain(kLost, seconds(5)));
}

TEST(ElasticPlan, LeavesOtherEndsAlone) {
  for (const int code : {0, 1, 2, 3, 130})
    EXPECT_FALSE(ElasticPlan({.tensor = 4}).StartsAgain(code, seconds(1))) << code;
}

}  // namespace
}  // namespace lockstep
