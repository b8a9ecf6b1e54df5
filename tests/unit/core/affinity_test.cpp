#include "core/threads/affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "core/error.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Cores = std::vector<int>;
using Ranks = std::vector<Cores>;

TEST(CoresOfRank, DividesWhatRanksShareInRankOrder) {
  const Ranks two(2, Cores{4, 6, 5, 7});
  EXPECT_THAT(CoresOfRank(two, 0), ElementsAre(4, 6));
  EXPECT_THAT(CoresOfRank(two, 1), ElementsAre(5, 7));
  const Ranks three(3, Cores{0, 1, 2, 3});
  EXPECT_THAT(CoresOfRank(three, 0), ElementsAre(0));
  EXPECT_THAT(CoresOfRank(three, 1), ElementsAre(1));
  EXPECT_THAT(CoresOfRank(three, 2), ElementsAre(2, 3));
}

TEST(CoresOfRank, LeavesRanksWhatTheyHaveToThemselves) {
  const Ranks bound = {{0, 1}, {2, 3}, {4}};
  EXPECT_THAT(CoresOfRank(bound, 0), ElementsAre(0, 1));
  EXPECT_THAT(CoresOfRank(bound, 1), ElementsAre(2, 3));
  EXPECT_THAT(CoresOfRank(bound, 2), ElementsAre(4));
}

TEST(CoresOfRank, DividesWithinSockets) {
  const Ranks sockets = {{0, 1}, {8, 9}, {0, 1}, {8, 9}};
  EXPECT_THAT(CoresOfRank(sockets, 0), ElementsAre(0));
  EXPECT_THAT(CoresOfRank(sockets, 1), ElementsAre(8));
  EXPECT_THAT(CoresOfRank(sockets, 2), ElementsAre(1));
  EXPECT_THAT(CoresOfRank(sockets, 3), ElementsAre(9));
}

TEST(CoresOfRank, BindsNobodyWhereRanksOutnumberCores) {
  const Ranks crowd = {{0, 1}, {0, 1}, {0, 1}, {5}};
  for (int rank = 0; rank < 4; ++rank) EXPECT_THAT(CoresOfRank(crowd, rank), IsEmpty());
}

TEST(CoresOfRank, BindsNobodyWhereCoresOverlapInAnotherWay) {
  const Ranks odd = {{0, 1}, {1, 2}, {7}};
  for (int rank = 0; rank < 3; ++rank) EXPECT_THAT(CoresOfRank(odd, rank), IsEmpty());
  EXPECT_THROW(CoresOfRank(odd, 3), Error);
}

TEST(CountCores, CountsEachCoreOnce) {
  EXPECT_EQ(CountCores(Ranks{{0, 1}, {1, 2}, {0}}), 3);
  EXPECT_EQ(CountCores(Ranks{}), 0);
}

TEST(BindThisThread, RestrictsThisThreadAndThoseItStarts) {
  std::thread([] {
    const Cores allowed = AllowedCores();
    ASSERT_FALSE(allowed.empty());
    BindThisThread(std::span<const int>());
    EXPECT_EQ(AllowedCores(), allowed);
    BindThisThread(allowed.back());
    EXPECT_THAT(AllowedCores(), ElementsAre(allowed.back()));
    std::thread([&] { EXPECT_THAT(AllowedCores(), ElementsAre(allowed.back())); }).join();
    BindThisThread(allowed);
    EXPECT_EQ(AllowedCores(), allowed);
  }).join();
}

TEST(BindThisThread, SaysWhenTheSystemRefuses) {
  EXPECT_THROW(BindThisThread(1023), Error);  // no machine of ours has so many
  EXPECT_THROW(BindThisThread(-1), Error);
}

TEST(InMachineOrder, LosesNoCoreAndKnowsStrangers) {
  EXPECT_THAT(InMachineOrder({1000, 1, 0}), ::testing::UnorderedElementsAre(0, 1, 1000));
  EXPECT_EQ(InMachineOrder({1000, 1, 0}).back(), 1000);
  EXPECT_THAT(InMachineOrder({}), IsEmpty());
}

}  // namespace
}  // namespace lockstep
