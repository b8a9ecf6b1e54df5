#include "engine/stage_traffic.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

// A letter for each rank: its host.
HostMap HostsOf(std::string_view letters) {
  std::vector<RankHost> ranks;
  for (const char letter : letters) ranks.push_back({.name = std::string(1, letter)});
  return HostMap(std::move(ranks));
}

TEST(IsGivenSlices, WhereAStageIsOnOneHostAndTheOneBeforeOnOthers) {
  EXPECT_TRUE(IsGivenSlices(HostsOf("aabb"), 2, 1));
  EXPECT_TRUE(IsGivenSlices(HostsOf("abcc"), 2, 1)) << "whatever sends";
  EXPECT_TRUE(IsGivenSlices(HostsOf("aaaabbbbcccc"), 4, 2));
}

TEST(IsGivenSlices, NotWithinAHost) {
  EXPECT_FALSE(IsGivenSlices(HostsOf("aaaa"), 2, 1));
  EXPECT_TRUE(IsGivenSlices(HostsOf("aabbbb"), 2, 1));
  EXPECT_FALSE(IsGivenSlices(HostsOf("aabbbb"), 2, 2));
  EXPECT_FALSE(IsGivenSlices(HostsOf("abbb"), 2, 1)) << "one of the senders is there";
}

// They would be put together through the network again.
TEST(IsGivenSlices, NotWhereAStageIsOnSeveralHosts) {
  EXPECT_FALSE(IsGivenSlices(HostsOf("abcd"), 2, 1));
  EXPECT_FALSE(IsGivenSlices(HostsOf("aabc"), 2, 1));
}

TEST(IsGivenSlices, NotByASingleRank) { EXPECT_FALSE(IsGivenSlices(HostsOf("ab"), 1, 1)); }

// Containers of one host that see no memory of each other.
TEST(IsGivenSlices, NotWhereARanksHostIsDivided) {
  std::vector<RankHost> ranks{{.name = "a"}, {.name = "a"}, {.name = "b"}, {.name = "b"}};
  ranks[2].processes = "one";
  ranks[3].processes = "two";
  EXPECT_FALSE(IsGivenSlices(HostMap(ranks), 2, 1));
}

}  // namespace
}  // namespace lockstep
