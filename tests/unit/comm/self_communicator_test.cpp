#include "comm/self_communicator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace lockstep {
namespace {

using Bytes = Communicator::Bytes;

TEST(SelfCommunicator, LeavesASumOfOneAsItIs) {
  SelfCommunicator comm;
  std::vector<float> x = {1.5f, -0.0f, 3.0f};
  const auto before = x;
  comm.AllReduceSum(TensorView(x.data(), DType::kF32, {3}), Stream{});
  EXPECT_EQ(x, before);
}

TEST(SelfCommunicator, CountsItsAllReduces) {
  SelfCommunicator comm;
  float x = 1;
  for (int i = 0; i < 3; ++i) comm.AllReduceSum(TensorView(&x, DType::kF32, {1}), Stream{});
  EXPECT_EQ(comm.all_reduce_count(), 3);
}

TEST(SelfCommunicator, RefusesToAddAnythingButFp32) {
  SelfCommunicator comm;
  BFloat16 x;
  EXPECT_THROW(comm.AllReduceSum(TensorView(&x, DType::kBF16, {1}), Stream{}), Error);
}

TEST(SelfCommunicator, AllocatesWhatItAddsInOrdinaryMemory) {
  SelfCommunicator comm;
  const Tensor x = comm.AllocateReducible({3, 5});
  EXPECT_EQ(x.view().shape(), Shape({3, 5}));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(x.view().data<float>()) % 64, 0u);
  x.view().data<float>()[14] = 2.0f;
  comm.AllReduceSum(x.view(), Stream{});
  EXPECT_EQ(x.view().data<float>()[14], 2.0f);
}

TEST(SelfCommunicator, GathersItsOwnMessageOnly) {
  SelfCommunicator comm;
  const Bytes mine = {std::byte{1}, std::byte{2}};
  EXPECT_THAT(comm.Gather(mine), ::testing::ElementsAre(mine));
  EXPECT_THAT(comm.AllGather({}), ::testing::ElementsAre(Bytes{}));
}

TEST(SelfCommunicator, KeepsItsBroadcast) {
  SelfCommunicator comm;
  Bytes message = {std::byte{7}};
  comm.Broadcast(message);
  comm.Barrier();
  EXPECT_EQ(message, Bytes{std::byte{7}});
}

TEST(SelfCommunicator, IsRankZeroOfOneOnThisHost) {
  SelfCommunicator comm;
  EXPECT_EQ(comm.rank(), 0);
  EXPECT_EQ(comm.size(), 1);
  EXPECT_THAT(comm.host(0), ::testing::Not(::testing::IsEmpty()));
  EXPECT_THROW(comm.host(1), Error);
}

TEST(SelfCommunicator, ReceivesWhatItHasSentItself) {
  SelfCommunicator comm;
  const Bytes first{std::byte{1}}, second;
  comm.Send(0, first);
  comm.Send(0, second);
  Bytes message(7);
  comm.Recv(0, message);
  EXPECT_EQ(message, first);
  comm.Recv(0, message);
  EXPECT_EQ(message, second);
  EXPECT_THROW(comm.Recv(0, message), CollectiveError);
  EXPECT_THROW(comm.Send(1, first), Error);
  EXPECT_THROW(comm.Recv(1, message), Error);
}

TEST(SelfCommunicator, IsItsOwnPart) {
  SelfCommunicator comm;
  const auto part = comm.Split(3, -1);
  EXPECT_EQ(part->size(), 1);
  const DeadlineScope scope(comm, 12);
  EXPECT_EQ(part->deadline_seconds(), 12);
  EXPECT_THROW(comm.Split(-1, 0), Error);
}

TEST(SelfCommunicatorDeathTest, AbortsWithTheGivenCode) {
  EXPECT_EXIT(SelfCommunicator().Abort(4), ::testing::ExitedWithCode(4), "");
}

TEST(DeadlineScope, LastsAsLongAsItsScope) {
  SelfCommunicator comm;
  comm.set_deadline_seconds(5);
  {
    const DeadlineScope scope(comm, 50);
    EXPECT_EQ(comm.deadline_seconds(), 50);
  }
  EXPECT_EQ(comm.deadline_seconds(), 5);
}

// Powers of ten far apart: each order of addition has other bits.
TEST(SumTree, PairsNeighboursForPowersOfTwo) {
  const float a = 1e8f, b = 3.0f, c = -1e8f, d = 1.0f;
  EXPECT_EQ(SumTree(std::vector<float>{a}), a);
  EXPECT_EQ(SumTree(std::vector<float>{a, b}), a + b);
  EXPECT_EQ(SumTree(std::vector<float>{a, b, c, d}), (a + b) + (c + d));
  EXPECT_NE((a + b) + (c + d), ((a + c) + b) + d);
  EXPECT_EQ(SumTree(std::vector<float>{a, b, c, d, d, c, b, a}),
            ((a + b) + (c + d)) + ((d + c) + (b + a)));
}

TEST(SumTree, AddsTheLeadingPairsFirstForOtherCounts) {
  const float a = 1e8f, b = 3.0f, c = -1e8f, d = 1.0f, e = 9.0f;
  EXPECT_EQ(SumTree(std::vector<float>{a, b, c}), (a + b) + c);
  EXPECT_EQ(SumTree(std::vector<float>{a, b, c, d, e}), ((a + b) + c) + (d + e));
  EXPECT_EQ(SumTree(std::vector<float>{a, b, c, d, e, a}), ((a + b) + (c + d)) + (e + a));
}

TEST(SumTree, KeepsItsUpperLevelsWhenEveryRankIsCutInHalf) {
  const float a = 1e8f, b = 3.0f, c = -1e8f, d = 1.0f;
  EXPECT_EQ(SumTree(std::vector<float>{a, b, c, d}), SumTree(std::vector<float>{a + b, c + d}));
}

}  // namespace
}  // namespace lockstep
