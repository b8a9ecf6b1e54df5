#include "comm/hosts.h"

#include <gtest/gtest.h>

#include <vector>

#include "comm/communicator.h"

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

}  // namespace
}  // namespace lockstep
