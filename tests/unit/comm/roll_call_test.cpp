#include "comm/peers/roll_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr PeerCall kMine{.collective = Collective::kAllGather, .number = 14};

PeerAnswer Elsewhere(const char* name) { return {.name = name, .call = std::nullopt}; }

PeerAnswer In(const char* name, Collective collective, std::uint64_t number, int peer = -1) {
  return {.name = name, .call = PeerCall{.collective = collective, .number = number, .peer = peer}};
}

TEST(RollCall, PassesOverThoseThatWaitElsewhere) {
  const std::vector<PeerAnswer> answers{In("a", Collective::kAllGather, 14), Elsewhere("b"),
                                        In("c", Collective::kAllGather, 13)};
  EXPECT_THAT(LatePeers(kMine, 0, answers), ElementsAre("c, still in all-gather (collective 13),"));
}

TEST(RollCall, CallsAPeerLateThatIsStillInAnEarlierCollective) {
  const std::vector<PeerAnswer> answers{
      In("a", Collective::kAllGather, 14), In("b", Collective::kAllGather, 13),
      In("c", Collective::kBroadcast, 12), In("d", Collective::kAllGather, 14)};
  EXPECT_THAT(LatePeers(kMine, 0, answers), ElementsAre("c, still in broadcast (collective 12),"));
}

TEST(RollCall, CallsAPeerLateThatHasGoneOnSince) {
  const std::vector<PeerAnswer> answers{In("a", Collective::kAllGather, 14),
                                        In("b", Collective::kAllGather, 14),
                                        In("c", Collective::kBarrier, 15)};
  EXPECT_THAT(LatePeers(kMine, 0, answers), ElementsAre("c"));
}

TEST(RollCall, FindsRanksThatHaveDriftedApart) {
  const std::vector<PeerAnswer> answers{
      In("a", Collective::kAllGather, 14), In("b", Collective::kBarrier, 14),
      In("c", Collective::kSend, 3, 0), In("d", Collective::kAllGather, 14)};
  EXPECT_THAT(LatePeers(kMine, 0, answers), IsEmpty());
  EXPECT_THAT(PeersElsewhere(kMine, 0, answers),
              ElementsAre("b is in barrier (collective 14)", "c is in send (message 3)"));
}

TEST(RollCall, CountsOnlyTheOtherEndOfAMessage) {
  const PeerCall send{.collective = Collective::kSend, .number = 3, .peer = 1};
  const PeerAnswer self = In("a", Collective::kSend, 3, 1);
  EXPECT_THAT(
      LatePeers(send, 0,
                {self, In("b", Collective::kReceive, 2, 0), In("c", Collective::kReceive, 1, 1)}),
      ElementsAre("b, still in receive (message 2),"));
  EXPECT_THAT(PeersElsewhere(send, 0, {self, In("b", Collective::kSend, 3, 0), Elsewhere("c")}),
              ElementsAre("b is in send (message 3)"));
}

}  // namespace
}  // namespace lockstep
