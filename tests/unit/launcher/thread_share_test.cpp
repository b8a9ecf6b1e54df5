#include "launcher/world/thread_share.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "comm/self_communicator.h"
#include "ranks_alike.h"

namespace lockstep {
namespace {

int Cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof(cores), &cores);
  return CPU_COUNT(&cores);
}

TEST(ThreadShare, GivesASingleRankAllItsCores) {
  SelfCommunicator self;
  EXPECT_EQ(ThreadShare(self, 0), Cores());
}

TEST(ThreadShare, GivesWhatIsAskedFor) {
  SelfCommunicator self;
  EXPECT_EQ(ThreadShare(self, 7), 7);
}

TEST(ThreadShare, DividesCoresAmongTheRanksOfAHost) {
  RankAlike two(0, {"a", "a"});
  EXPECT_EQ(ThreadShare(two, 0), std::max(1, Cores() / 2));
}

TEST(ThreadShare, DoesNotDivideWithRanksElsewhere) {
  RankAlike apart(0, {"a", "b", "c"});
  EXPECT_EQ(ThreadShare(apart, 0), Cores());
}

TEST(ThreadShare, IsAtLeastOne) {
  RankAlike crowd(0, std::vector<std::string>(1000, "a"));
  EXPECT_EQ(ThreadShare(crowd, 0), 1);
}

}  // namespace
}  // namespace lockstep
