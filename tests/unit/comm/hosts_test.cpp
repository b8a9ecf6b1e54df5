#include "comm/groups/hosts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "comm/reducer.h"
#include "core/error.h"

namespace lockstep {
namespace {

// Ranks numbered host by host.
std::vector<HostPlace> Hosts(const std::vector<int>& ranks) {
  std::vector<HostPlace> places;
  for (const int count : ranks) {
    const int first = static_cast<int>(places.size());
    for (int i = 0; i < count; ++i) places.push_back({first, count});
  }
  return places;
}

TEST(SumOrderIsHierarchical, OnOneHostOfAnySize) {
  for (const int ranks : {1, 2, 3, 5, 7, 8})
    EXPECT_TRUE(SumOrderIsHierarchical(Hosts({ranks}))) << ranks;
}

TEST(SumOrderIsHierarchical, OnAnyNumberOfHostsWithAPowerOfTwo) {
  EXPECT_TRUE(SumOrderIsHierarchical(Hosts({1, 1, 1})));
  EXPECT_TRUE(SumOrderIsHierarchical(Hosts({2, 2, 2})));
  EXPECT_TRUE(SumOrderIsHierarchical(Hosts({4, 4, 4, 4, 4})));
}

TEST(SumOrderIsHierarchical, NotOnHostsThatDiffer) {
  EXPECT_FALSE(SumOrderIsHierarchical(Hosts({2, 1})));
  EXPECT_FALSE(SumOrderIsHierarchical(Hosts({1, 2})));
  EXPECT_FALSE(SumOrderIsHierarchical(Hosts({2, 4, 2})));
}

TEST(SumOrderIsHierarchical, NotOnSeveralHostsWithAnotherNumber) {
  EXPECT_FALSE(SumOrderIsHierarchical(Hosts({3, 3})));
  EXPECT_FALSE(SumOrderIsHierarchical(Hosts({6, 6, 6})));
}

TEST(SumOrderIsHierarchical, NotWhereRanksAreDealtOutByTurns) {
  const std::vector<HostPlace> dealt = {{0, 2}, {1, 2}, {0, 2}, {1, 2}};
  EXPECT_FALSE(SumOrderIsHierarchical(dealt));
  EXPECT_FALSE(SumOrderIsHierarchical({}));
}

// The claim itself: where SumOrderIsHierarchical() says so, a tree of trees is the tree.
TEST(SumOrderIsHierarchical, MeansThatTheSumOfSumsHasTheSameBits) {
  for (int hosts = 1; hosts <= 9; ++hosts) {
    for (const int here : {1, 2, 4, 8}) {
      ASSERT_TRUE(
          SumOrderIsHierarchical(Hosts(std::vector<int>(static_cast<std::size_t>(hosts), here))));
      std::vector<float> all;
      for (int i = 0; i < hosts * here; ++i) {
        all.push_back((i % 3 == 0 ? 1e6f : 0.1f) + 0.37f * static_cast<float>(i));
      }
      std::vector<float> sums;
      for (int host = 0; host < hosts; ++host) {
        sums.push_back(SumTree({all.data() + host * here, static_cast<std::size_t>(here)}));
      }
      EXPECT_EQ(SumTree(sums), SumTree(all)) << hosts << " hosts of " << here;
    }
  }
}

RankHost Of(const std::string& name, const std::string& machine, const std::string& processes) {
  return {.name = name, .machine = machine, .processes = processes};
}

std::vector<int> FirstRanks(const HostMap& hosts) {
  std::vector<int> first;
  for (const HostPlace& place : hosts.Places()) first.push_back(place.first_rank);
  return first;
}

TEST(HostMap, TellsMachinesOfOneNameApart) {
  const HostMap hosts(
      {Of("localhost", "a", "1"), Of("localhost", "b", "1"), Of("localhost", "a", "1")});
  EXPECT_TRUE(hosts.SameHost(0, 2));
  EXPECT_FALSE(hosts.SameHost(0, 1));
  EXPECT_EQ(hosts.Neighbours(2), (std::vector{0, 2}));
  EXPECT_EQ(hosts.Neighbours(1), (std::vector{1}));
  EXPECT_EQ(FirstRanks(hosts), (std::vector{0, 1, 0}));
}

// They share cores and devices, but not memory.
TEST(HostMap, KnowsContainersThatDoNotSeeEachOther) {
  const HostMap hosts({Of("node", "a", "1"), Of("node", "a", "2")});
  EXPECT_TRUE(hosts.SameHost(0, 1));
  EXPECT_EQ(FirstRanks(hosts), (std::vector{0, 1}));
}

TEST(HostMap, OfAPartIsInItsOrder) {
  const HostMap hosts({Of("x", "a", "1"), Of("y", "b", "1"), Of("x", "a", "1")});
  const HostMap part = hosts.Select(std::vector{2, 1});
  EXPECT_EQ(part.size(), 2);
  EXPECT_EQ(part.name(0), "x");
  EXPECT_EQ(part.name(1), "y");
  EXPECT_THROW(part.name(2), Error);
}

}  // namespace
}  // namespace lockstep
