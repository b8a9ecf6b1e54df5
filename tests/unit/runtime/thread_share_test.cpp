#include "runtime/placement/thread_share.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "comm/self_communicator.h"
#include "tests/support/ranks_alike.h"

namespace lockstep {
namespace {

double Cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof(cores), &cores);
  return CPU_COUNT(&cores);
}

std::vector<GroupLimit> Quota(double cpus) { return {{.group = 7, .folder = "", .amount = cpus}}; }

TEST(CpuShare, OfASingleRankIsAllItsCores) {
  SelfCommunicator self;
  EXPECT_DOUBLE_EQ(CpuShare(self, {}), Cores());
}

TEST(CpuShare, DividesCoresAmongTheRanksOfAHost) {
  RankAlike two(0, {"a", "a"});
  EXPECT_DOUBLE_EQ(CpuShare(two, {}), Cores() / 2);
}

TEST(CpuShare, DoesNotDivideWithRanksElsewhere) {
  RankAlike apart(0, {"a", "b", "c"});
  EXPECT_DOUBLE_EQ(CpuShare(apart, {}), Cores());
  EXPECT_DOUBLE_EQ(CpuShare(apart, Quota(0.75)), 0.75);
}

TEST(CpuShare, IsNoMoreThanTheQuota) {
  SelfCommunicator self;
  EXPECT_DOUBLE_EQ(CpuShare(self, Quota(0.5)), 0.5);
  EXPECT_DOUBLE_EQ(CpuShare(self, Quota(1000.0)), Cores());
  std::vector<GroupLimit> nested = Quota(0.75);
  nested.push_back({.group = 8, .folder = "", .amount = 0.25});
  EXPECT_DOUBLE_EQ(CpuShare(self, nested), 0.25);
}

TEST(CpuShare, DividesAQuotaAmongTheRanksInItsGroup) {
  RankAlike three(1, {"a", "b", "b", "b"});
  EXPECT_DOUBLE_EQ(CpuShare(three, Quota(0.75)), 0.25);
}

// A rank whose peer on the same host is in another group.
class InOtherGroup final : public RankAlike {
 public:
  InOtherGroup() : RankAlike(0, {"a", "a"}) {}
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override {
    auto all = RankAlike::AllGather(mine);
    all[1].back() ^= std::byte{1};
    return all;
  }
};

TEST(CpuShare, LeavesAQuotaToTheRanksInItsGroup) {
  InOtherGroup comm;
  EXPECT_DOUBLE_EQ(CpuShare(comm, Quota(0.25)), 0.25);
}

TEST(CpuShare, IsInWholeThreads) {
  EXPECT_EQ(ThreadsOf(0.001), 1);
  EXPECT_EQ(ThreadsOf(0.5), 1);
  EXPECT_EQ(ThreadsOf(1.75), 1);
  EXPECT_EQ(ThreadsOf(1.0 / 3 + 1.0 / 3 + 1.0 / 3 + 1.0), 2);
  EXPECT_EQ(ThreadsOf(3.0), 3);
}

}  // namespace
}  // namespace lockstep
