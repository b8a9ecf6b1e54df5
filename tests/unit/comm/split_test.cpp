#include "comm/groups/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;

TEST(PartOf, HasTheRanksOfOneColor) {
  const std::vector<SplitChoice> choices = {{1, 0}, {0, 0}, {1, 0}, {7, 0}};
  EXPECT_THAT(PartOf(0, choices), ElementsAre(0, 2));
  EXPECT_THAT(PartOf(1, choices), ElementsAre(1));
  EXPECT_THAT(PartOf(2, choices), ElementsAre(0, 2));
  EXPECT_THAT(PartOf(3, choices), ElementsAre(3));
}

TEST(PartOf, IsInTheOrderOfKeysAndThenOfRanks) {
  const std::vector<SplitChoice> choices = {{0, 5}, {0, -1}, {0, 5}, {0, 2}};
  for (int rank = 0; rank < 4; ++rank) EXPECT_THAT(PartOf(rank, choices), ElementsAre(1, 3, 0, 2));
}

TEST(CheckColor, RefusesNegativeOnes) {
  EXPECT_THROW(CheckColor({-1, 0}), Error);
  CheckColor({0, -1});
}

}  // namespace
}  // namespace lockstep
