#include "comm/collective.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(PeerCalls, MeetInTheSameCollective) {
  const PeerCall barrier{.collective = Collective::kBarrier, .number = 3};
  EXPECT_TRUE(Meet(barrier, {.collective = Collective::kBarrier, .number = 3, .bytes = 9}, 0));
  EXPECT_FALSE(Meet(barrier, {.collective = Collective::kBarrier, .number = 4}, 0));
  EXPECT_FALSE(Meet(barrier, {.collective = Collective::kGather, .number = 3}, 0));
  EXPECT_FALSE(Meet(barrier, {.collective = Collective::kSend, .number = 3, .peer = 0}, 0));
}

TEST(PeerCalls, MeetAtTheEndsOfOneMessage) {
  const PeerCall send{.collective = Collective::kSend, .number = 3, .peer = 2};
  EXPECT_TRUE(Meet(send, {.collective = Collective::kReceive, .number = 3, .peer = 0}, 0));
  EXPECT_FALSE(Meet(send, {.collective = Collective::kReceive, .number = 3, .peer = 1}, 0));
  EXPECT_FALSE(Meet(send, {.collective = Collective::kReceive, .number = 2, .peer = 0}, 0));
  EXPECT_FALSE(Meet(send, {.collective = Collective::kSend, .number = 3, .peer = 0}, 0));
  EXPECT_FALSE(Meet(send, {.collective = Collective::kBarrier, .number = 3}, 0));
}

TEST(PeerCalls, AreDescribedWithTheirNumbers) {
  EXPECT_EQ(Describe({Collective::kAllReduce, 17, 4096}, ""),
            "all-reduce of 4096 bytes (collective 17)");
  EXPECT_EQ(Describe({Collective::kSend, 3, 40, 1}, "rank 1 on node7"),
            "send of 40 bytes to rank 1 on node7 (message 3)");
  EXPECT_EQ(Describe({Collective::kReceive, 3, 0, 1}, "rank 1 on node7"),
            "receive from rank 1 on node7 (message 3)");
  EXPECT_EQ(Describe(Collective::kBarrier, 18), "barrier (collective 18)");
  EXPECT_EQ(Describe(Collective::kSend, 3), "send (message 3)");
}

}  // namespace
}  // namespace lockstep
