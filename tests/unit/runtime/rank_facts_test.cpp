#include "runtime/world/rank_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> Places(std::size_t ranks) {
  std::vector<std::string> places;
  for (std::size_t rank = 0; rank < ranks; ++rank)
    places.push_back("rank " + std::to_string(rank) + " on node" + std::to_string(rank));
  return places;
}

std::string Of(const std::vector<RankFacts>& facts) {
  KindsOfRanks ranks;
  for (const RankFacts& mine : facts) {
    const auto found = std::ranges::find(ranks.kinds, mine);
    ranks.kind_of.push_back(static_cast<std::size_t>(found - ranks.kinds.begin()));
    if (found == ranks.kinds.end()) ranks.kinds.push_back(mine);
  }
  return Disagreement(ranks, Places(facts.size()));
}

const RankFacts kPlain = {{"version", "1"}, {"model.dtype", "fp32"}};
const RankFacts kOther = {{"version", "1"}, {"model.dtype", "bf16"}};

TEST(RankFacts, AreAlikeOnRanksThatAgree) { EXPECT_THAT(Of({kPlain, kPlain, kPlain}), IsEmpty()); }

TEST(RankFacts, NameTheOddRankItsHostAndTheKey) {
  EXPECT_EQ(Of({kPlain, kPlain, kOther, kPlain}),
            "the ranks differ in model.dtype: rank 2 on node2 has bf16, but rank 0 on node0 has "
            "fp32");
  EXPECT_THAT(Of({kOther, kPlain, kPlain}), HasSubstr("rank 0 on node0 has bf16, but rank 1 on "));
}

TEST(RankFacts, TakeTheLowestRanksWordAmongEquallyMany) {
  EXPECT_THAT(Of({kPlain, kOther}), HasSubstr("rank 1 on node1 has bf16, but rank 0 on node0"));
}

TEST(RankFacts, DifferWhereOneIsMissing) {
  const RankFacts more = {{"version", "1"}, {"model.dtype", "fp32"}, {"tensor x", "fp32 [2]"}};
  EXPECT_THAT(Of({kPlain, more}),
              HasSubstr("differ in tensor x: rank 1 on node1 has fp32 [2], but rank 0 on node0 has "
                        "nothing"));
}

TEST(RankFacts, PassOverRanksThatHaveNoSay) {
  EXPECT_THAT(Of({kPlain, {}, kPlain}), IsEmpty());
  EXPECT_THAT(Of({kPlain, {{"version", "1"}, {"model.dtype", ""}}, kPlain}), IsEmpty());
}

TEST(RankFacts, NameAFewOfManyOddRanks) {
  std::vector<RankFacts> ranks(40, kPlain);
  for (std::size_t rank = 0; rank < 15; ++rank) ranks[rank] = kOther;
  EXPECT_THAT(Of(ranks), AllOf(HasSubstr("rank 7 on"), Not(HasSubstr("rank 8 on")),
                               HasSubstr("and 7 more ranks differ")));
}

}  // namespace
}  // namespace lockstep
