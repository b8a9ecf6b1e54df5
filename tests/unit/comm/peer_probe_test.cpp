#include "comm/peers/peer_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "comm/control_plane.h"
#include "comm/peers/roll_call.h"
#include "tests/unit/comm/shared_ranks.h"

namespace lockstep::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;

// Ranks of two hosts, two each, that wait where they are told to: groups stand for the layers that
// wait (the network, and the memory of each host).
class PeerProbes : public ::testing::Test {
 protected:
  static constexpr int kRanks = 4;
  static constexpr int kNetwork = 0;
  static constexpr int kMemory = 256;

  PeerProbes() {
    for (int rank = 0; rank < kRanks; ++rank) {
      probes_.push_back(
          std::make_unique<PeerProbe>(rank, std::make_unique<ThreadLink>(mail_, rank)));
      probes_.back()->set_hosts(
          HostMap({{.name = "a"}, {.name = "a"}, {.name = "b"}, {.name = "b"}}));
    }
  }

  static PeerWait Waits(int group, std::vector<int> awaited, std::uint64_t number = 7) {
    return {.group = group,
            .call = {.collective = Collective::kAllReduce, .number = number},
            .awaited = std::move(awaited)};
  }

  PeerProbe& At(int rank) { return *probes_[static_cast<std::size_t>(rank)]; }

  // All that wait ask, as often as words need to get to the end of every way.
  void AskAll(const std::map<int, PeerWait>& waits) {
    for (int round = 0; round < 2 * kRanks; ++round)
      for (const auto& [rank, wait] : waits) At(rank).Ask([&wait = wait] { return wait; });
  }

  std::string Verdict(int rank, const PeerWait& wait) {
    const std::vector<int> ranks{0, 1, 2, 3};
    try {
      FailAtDeadline(At(rank), {.wait = wait,
                                .ranks = ranks,
                                .self = rank,
                                .what = "all-reduce",
                                .doing = "",
                                .seconds = 60,
                                .bottleneck = "all is slow"});
    } catch (const CollectiveError& error) {
      return error.what();
    }
  }

  std::shared_ptr<ThreadMail> mail_ = std::make_shared<ThreadMail>(kRanks);
  std::vector<std::unique_ptr<PeerProbe>> probes_;
};

// Rank 3 is stopped: its neighbour waits in memory, its counterpart in the network, and rank 0 for
// that one in memory.
TEST_F(PeerProbes, FollowWaitsThroughAllLayersToTheirEnd) {
  const std::map<int, PeerWait> waits{
      {0, Waits(kMemory, {1})}, {1, Waits(kNetwork, {3})}, {2, Waits(kMemory, {3})}};
  AskAll(waits);
  for (const auto& [rank, wait] : waits) {
    EXPECT_THAT(At(rank).Find(wait).silent, ElementsAre(3)) << rank;
    EXPECT_THAT(Verdict(rank, wait), HasSubstr("all-reduce: rank 3 on b did not arrive")) << rank;
  }
  EXPECT_THAT(At(0).Find(waits.at(0)).answers, ElementsAre(Key(1)));
}

TEST_F(PeerProbes, NameAllAtTheEndsOfTheWays) {
  const std::map<int, PeerWait> waits{{0, Waits(kNetwork, {1, 2})}, {1, Waits(kNetwork, {3})}};
  AskAll(waits);
  EXPECT_THAT(At(0).Find(waits.at(0)).silent, ElementsAre(2, 3));
}

TEST_F(PeerProbes, AnswerAfterTheyHaveGivenUp) {
  const PeerWait first = Waits(kNetwork, {3});
  AskAll({{1, first}});
  const PeerWait wait = Waits(kMemory, {1});
  At(0).Ask([&] { return wait; });
  At(1).Answer();
  At(0).Ask([&] { return wait; });
  EXPECT_THAT(At(0).Find(wait).silent, ElementsAre(3));
}

// Ranks that notice the end of another one have asked nobody, or about a wait long ago.
TEST_F(PeerProbes, AnswerWithTheWaitThatTheyHaveGivenUp) {
  AskAll({{1, Waits(kNetwork, {2}, 5)}});
  At(1).GiveUp(Waits(kNetwork, {3}));
  const PeerWait wait = Waits(kMemory, {1});
  At(0).Ask([&] { return wait; });
  At(1).Answer();
  At(0).Ask([&] { return wait; });
  EXPECT_THAT(At(0).Find(wait).silent, ElementsAre(3));
}

TEST_F(PeerProbes, TakeNoAnswerToAnEarlierQuestion) {
  const PeerWait before = Waits(kNetwork, {1}, 7);
  At(0).Ask([&] { return before; });
  At(1).Answer([] { return Waits(kNetwork, {2}, 7); });
  const PeerWait now = Waits(kNetwork, {1}, 8);
  At(0).Ask([&] { return now; });
  EXPECT_THAT(At(0).Find(now).silent, ElementsAre(1));
}

TEST_F(PeerProbes, FindNobodyLateWhereAllWaitForEachOther) {
  std::map<int, PeerWait> waits;
  for (int rank = 0; rank < kRanks; ++rank) waits[rank] = Waits(kNetwork, {(rank + 1) % kRanks});
  AskAll(waits);
  EXPECT_THAT(At(0).Find(waits.at(0)).silent, IsEmpty());
  EXPECT_THAT(Verdict(0, waits.at(0)), HasSubstr("although every rank takes part, so all is slow"));
  waits[2] = Waits(kNetwork, {3}, 6);
  waits[1] = Waits(kNetwork, {2}, 8);
  AskAll(waits);
  EXPECT_THAT(Verdict(1, waits.at(1)),
              HasSubstr("rank 2 on b, still in all-reduce (collective 6), did not arrive"));
}

TEST_F(PeerProbes, BlameWhoIsAwaitedWhereNobodyCanBeAsked) {
  PeerProbe alone(0);
  const PeerWait wait = Waits(kMemory, {2});
  alone.Ask([&] { return wait; });
  EXPECT_THAT(alone.Find(wait).silent, ElementsAre(2));
  EXPECT_EQ(alone.Name(2), "rank 2");
}

TEST(PeerProbe, AsksInTimeBeforeTheDeadline) {
  EXPECT_EQ(PeerProbe::AskAfter(60), 58);
  EXPECT_EQ(PeerProbe::AskAfter(1), 0.5);
}

}  // namespace
}  // namespace lockstep::testing
