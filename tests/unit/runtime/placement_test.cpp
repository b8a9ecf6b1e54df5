#include "runtime/placement/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "comm/self_communicator.h"
#include "core/threads/affinity.h"
#include "tests/support/ranks_alike.h"

namespace lockstep {
namespace {

int Cores() { return static_cast<int>(AllowedCores().size()); }

TEST(PlaceRank, GivesASingleRankEverything) {
  SelfCommunicator self;
  const Placement placement = PlaceRank(self, {.quotas = {}});
  EXPECT_EQ(placement.threads, Cores());
  EXPECT_EQ(placement.cores, AllowedCores());
}

TEST(PlaceRank, BindsNothingWhenNobodyWantsIt) {
  SelfCommunicator self;
  EXPECT_THAT(PlaceRank(self, {.threads = 1, .bind = Binding::kNone, .quotas = {}}).cores,
              ::testing::IsEmpty());
}

TEST(PlaceRank, BindsAndSpinsOnlyWhereThreadsHaveCores) {
  RankAlike crowd(1, std::vector<std::string>(static_cast<std::size_t>(Cores()) + 1, "a"));
  EXPECT_THAT(PlaceRank(crowd, {.quotas = {}}).cores, ::testing::IsEmpty());
  EXPECT_EQ(crowd.waiting(), Communicator::Waiting::kYields);
  RankAlike many_threads(0, {"a"});
  EXPECT_THAT(PlaceRank(many_threads, {.threads = Cores() + 1, .quotas = {}}).cores,
              ::testing::IsEmpty());
  EXPECT_EQ(many_threads.waiting(), Communicator::Waiting::kYields);
}

TEST(PlaceRank, KeepsToTheQuotasOfControlGroups) {
  const std::vector<GroupLimit> half{{.group = 7, .folder = "", .amount = 0.5}};
  RankAlike alone(0, {"a"});
  const Placement placement = PlaceRank(alone, {.quotas = half});
  EXPECT_EQ(placement.threads, 1);
  EXPECT_EQ(placement.waiting, Communicator::Waiting::kYields) << "waiting would spend it";
  EXPECT_EQ(PlaceRank(alone, {.threads = Cores(), .quotas = half}).threads, Cores())
      << "what is asked for is done";
  const std::vector<GroupLimit> plenty{{.group = 7, .folder = "", .amount = 1e3}};
  EXPECT_EQ(PlaceRank(alone, {.quotas = plenty}).threads, Cores());
  EXPECT_EQ(alone.waiting(), Communicator::Waiting::kSpins);
}

TEST(PlaceRank, GivesEveryRankOfAHostItsOwnCores) {
  std::vector<int> used;
  for (int rank = 0; rank < Cores(); ++rank) {
    // Ranks elsewhere take nothing away.
    std::vector<std::string> hosts(static_cast<std::size_t>(Cores()), "a");
    hosts.insert(hosts.end(), 3, "b");
    RankAlike comm(rank, hosts);
    const Placement placement = PlaceRank(comm, {.quotas = {}});
    EXPECT_EQ(placement.threads, 1);
    EXPECT_EQ(placement.cores.size(), 1u);
    EXPECT_EQ(comm.waiting(), Communicator::Waiting::kSpins);
    used.insert(used.end(), placement.cores.begin(), placement.cores.end());
  }
  EXPECT_EQ(used, AllowedCores());
}

}  // namespace
}  // namespace lockstep
