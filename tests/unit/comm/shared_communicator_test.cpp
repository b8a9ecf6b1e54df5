// The collectives over shared memory, with threads as ranks. tests/multi_rank runs them between
// processes.
#include "comm/shared/shared_communicator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "tests/unit/comm/shared_ranks.h"

namespace lockstep::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Bytes = Communicator::Bytes;

void SleepFor(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

std::vector<float> Values(int rank, std::size_t count, unsigned seed) {
  std::mt19937 random(seed * 100 + static_cast<unsigned>(rank));
  std::vector<float> values(count);
  for (float& value : values) {
    const auto bits = static_cast<std::uint32_t>(random());
    value = std::bit_cast<float>((bits & 0x8f7fffffu) + 0x37800000u);
  }
  return values;
}

std::vector<float> Expected(int ranks, std::size_t count, unsigned seed) {
  std::vector<std::vector<float>> all;
  for (int r = 0; r < ranks; ++r) all.push_back(Values(r, count, seed));
  std::vector<float> sums(count);
  std::vector<float> column(all.size());
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t r = 0; r < all.size(); ++r) column[r] = all[r][i];
    sums[i] = SumTree(column);
  }
  return sums;
}

bool SameBits(const float* a, const std::vector<float>& b) {
  return std::memcmp(a, b.data(), b.size() * sizeof(float)) == 0;
}

void Sum(Communicator& comm, float* x, std::size_t count) {
  comm.AllReduceSum(TensorView(x, DType::kF32, {static_cast<std::int64_t>(count)}), Stream{});
}

void SumOnes(Communicator& comm, std::size_t count) {
  std::vector<float> x(count, 1.0f);
  Sum(comm, x.data(), count);
}

class SharedRanksOf : public ::testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Ranks, SharedRanksOf, ::testing::Values(1, 2, 3, 4, 5, 7, 8),
                         [](const auto& test) { return "Of" + std::to_string(test.param); });

// Random sizes around every threshold; each rank's values lie in the segment or do not, as chance
// will have it, and not at its beginning.
TEST_P(SharedRanksOf, AddInTheOrderOfTheSumTree) {
  const auto errors = RunSharedRanks(GetParam(), [](SharedCommunicator& comm) {
    std::mt19937 common(7);
    std::mt19937 own(static_cast<unsigned>(comm.rank()));
    const Tensor buffer = comm.AllocateReducible({200, 200});
    for (unsigned round = 0; round < 24; ++round) {
      const std::size_t count = common() % (round % 3 == 0 ? 40'000 : 3000);
      const auto values = Values(comm.rank(), count, round);
      std::vector<float> outside(values);
      const bool in_segment = own() % 2 == 0;
      const std::size_t offset = own() % (40'000 - count);
      float* x = in_segment ? buffer.view().data<float>() + offset : outside.data();
      std::copy(values.begin(), values.end(), x);
      Sum(comm, x, count);
      ASSERT_TRUE(SameBits(x, Expected(comm.size(), count, round))) << count;
    }
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST_P(SharedRanksOf, AddInPlaceAgainAndAgain) {
  const auto errors = RunSharedRanks(GetParam(), [](SharedCommunicator& comm) {
    const Tensor a = comm.AllocateReducible({5000});
    const Tensor b = comm.AllocateReducible({5000});
    for (unsigned round = 0; round < 40; ++round) {
      for (const Tensor* x : {&a, &b}) {
        float* data = x->view().data<float>();
        std::fill_n(data, 5000, 0.5f);  // at once, while peers may be behind
        Sum(comm, data, 5000);
        ASSERT_EQ(data[0], 0.5f * static_cast<float>(comm.size()));
        ASSERT_EQ(data[4999], 0.5f * static_cast<float>(comm.size()));
      }
    }
    EXPECT_EQ(comm.all_reduce_count(), 80);
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST_P(SharedRanksOf, LeaveABarrierOnlyWhenAllHaveCome) {
  std::atomic<int> come = 0;
  const auto errors = RunSharedRanks(GetParam(), [&](SharedCommunicator& comm) {
    for (int late = 0; late < comm.size(); ++late) {
      if (comm.rank() == late) SleepFor(0.02);
      ++come;
      comm.Barrier();
      EXPECT_GE(come.load(), (late + 1) * comm.size()) << "rank " << comm.rank();
      comm.Barrier();
    }
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST_P(SharedRanksOf, KeepEveryMessageUntilItIsRead) {
  const auto message = [](int round, int rank, std::size_t length) {
    return Bytes(length, static_cast<std::byte>(31 * round + rank + 1));
  };
  const auto errors = RunSharedRanks(GetParam(), [&](SharedCommunicator& comm) {
    std::mt19937 common(3);
    std::mt19937 own(static_cast<unsigned>(comm.rank()));
    for (int round = 0; round < 100; ++round) {
      // Long messages leave their place to others as soon as they may.
      const std::size_t length = common() % 40 == 0 ? 300'000 : common() % 12'000;
      if (own() % 16 == 0) SleepFor(1e-4);
      Bytes step = comm.rank() == 0 ? message(round, 0, length) : Bytes(3);
      comm.Broadcast(step);
      ASSERT_EQ(step, message(round, 0, length));
      const auto size = [&](int rank) { return length / static_cast<std::size_t>(rank + 1); };
      const Bytes mine = message(round, comm.rank(), size(comm.rank()));
      const bool to_all = round % 3 == 0;
      const auto all = to_all ? comm.AllGather(mine) : comm.Gather(mine);
      const bool hears = comm.rank() == 0 || to_all;
      ASSERT_EQ(all.size(), hears ? static_cast<std::size_t>(comm.size()) : 0u);
      for (std::size_t r = 0; r < all.size(); ++r) {
        const int peer = static_cast<int>(r);
        ASSERT_EQ(all[r], message(round, peer, size(peer)));
      }
      if (round % 7 == 0) comm.Barrier();
    }
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST_P(SharedRanksOf, ReadTheLastMessageOfARankThatHasLeft) {
  const auto errors = RunSharedRanks(GetParam(), [](SharedCommunicator& comm) {
    if (comm.rank() == 0) SleepFor(0.05);
    const auto all = comm.Gather(Bytes(100'000, static_cast<std::byte>(comm.rank() + 1)));
    for (std::size_t r = 0; r < all.size(); ++r) {
      EXPECT_EQ(all[r], Bytes(100'000, static_cast<std::byte>(r + 1)));
    }
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST_P(SharedRanksOf, WakeUpWhenTheyHaveFallenAsleep) {
  const auto errors = RunSharedRanks(GetParam(), [](SharedCommunicator& comm) {
    for (int round = 0; round < 5; ++round) {
      if (comm.rank() == round % comm.size()) SleepFor(0.03);
      SumOnes(comm, 100);
      if (comm.rank() == round % comm.size()) SleepFor(0.03);
      SumOnes(comm, 10'000);
    }
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST(SharedCommunicator, RefusesToAddAnythingButFp32) {
  const auto errors = RunSharedRanks(2, [](SharedCommunicator& comm) {
    BFloat16 x;
    EXPECT_THROW(comm.AllReduceSum(TensorView(&x, DType::kBF16, {1}), Stream{}), Error);
    SumOnes(comm, 1);  // still usable
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST(SharedCommunicator, SaysThatRanksAreInOtherCollectives) {
  const auto errors = RunSharedRanks(2, [](SharedCommunicator& comm) {
    comm.Barrier();
    if (comm.rank() == 1) comm.Barrier();
    SumOnes(comm, 100);
  });
  EXPECT_THAT(errors[0], AllOf(HasSubstr("all-reduce of 400 bytes (collective 2): the ranks have "
                                         "drifted apart, rank 1 on here is in barrier"),
                               HasSubstr("please report this")));
  EXPECT_THAT(errors[1], HasSubstr("barrier of 0 bytes (collective 2): the ranks have drifted"));
}

TEST(SharedCommunicator, SaysThatRanksAddOtherSizes) {
  for (const std::size_t count : {1u, 100u, 100'000u}) {
    const auto errors = RunSharedRanks(2, [count](SharedCommunicator& comm) {
      SumOnes(comm, comm.rank() == 0 ? count : 2 * count);
    });
    EXPECT_THAT(errors, Each(AllOf(HasSubstr("drifted apart"), HasSubstr("not the "))));
  }
}

TEST(SharedCommunicator, NoticesADriftThatNobodyWaitsFor) {
  // Neither the sender of a broadcast nor that of a gather waits for anybody.
  const auto errors = RunSharedRanks(2, [](SharedCommunicator& comm) {
    Bytes message(1);
    if (comm.rank() == 0) comm.Broadcast(message);
    if (comm.rank() == 1) comm.Gather(message);
    comm.Barrier();
    comm.Barrier();
  });
  EXPECT_THAT(errors, ::testing::Contains(HasSubstr("drifted apart")));
}

TEST(SharedCommunicator, NamesTheRanksThatAreAbsent) {
  const auto errors = RunSharedRanks(4, [](SharedCommunicator& comm) {
    comm.set_deadline_seconds(0.5);
    comm.Barrier();
    if (comm.rank() == 2) return SleepFor(3.2);
    if (comm.rank() == 3) SleepFor(0.2);
    SumOnes(comm, 100);
  });
  EXPECT_THAT(errors[2], IsEmpty());
  for (const int rank : {0, 1, 3}) {
    EXPECT_THAT(errors[static_cast<std::size_t>(rank)],
                HasSubstr("all-reduce of 400 bytes (collective 2): rank 2 on here did not arrive "
                          "within 0.5 s (rank " +
                          std::to_string(rank) + " on here, while starting)"));
  }
}

TEST(SharedCommunicator, NamesTheAbsentRankAndNotTheOneThatWaitsForIt) {
  // Rank 2 waits for the sender, which does not come: rank 0 waits for rank 2's next step.
  const auto errors = RunSharedRanks(3, [](SharedCommunicator& comm) {
    comm.set_deadline_seconds(0.5);
    if (comm.rank() == 1) return SleepFor(3.2);
    SumOnes(comm, 100'000);
  });
  EXPECT_THAT(errors[0],
              AllOf(HasSubstr("rank 1 on here did not arrive"), Not(HasSubstr("rank 2"))));
  EXPECT_THAT(errors[2],
              AllOf(HasSubstr("rank 1 on here did not arrive"), Not(HasSubstr("rank 0"))));
}

TEST(SharedCommunicator, NoticesThatARankHasEnded) {
  const auto start = std::chrono::steady_clock::now();
  const auto errors = RunSharedRanks(3, [](SharedCommunicator& comm) {
    comm.Barrier();
    if (comm.rank() == 1) return;
    SumOnes(comm, 100);
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 15);  // the deadline is 30 s
  EXPECT_THAT(errors[0], HasSubstr("rank 1 on here has ended (rank 0 on here"));
  EXPECT_THAT(errors[2], HasSubstr("rank 1 on here has ended (rank 2 on here"));
}

TEST(SharedCommunicator, LetsARankEndThatHasDoneItsPart) {
  const auto errors = RunSharedRanks(3, [](SharedCommunicator& comm) {
    comm.Barrier();
    if (comm.rank() == 1) SleepFor(1.5);  // while rank 0 looks for those that are gone
    comm.Gather({});
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

// Each rank to each other, with messages around the size of a slot, from memory of both kinds.
TEST_P(SharedRanksOf, SendEachOtherMessages) {
  const auto length = [](int i) {
    return std::size_t{4096} * static_cast<unsigned>(i % 4) / 2 + 1;
  };
  const auto errors = RunSharedRanks(GetParam(), [&](SharedCommunicator& comm) {
    const Tensor buffer = comm.AllocateReducible({4096});
    const std::span<std::byte> shared(reinterpret_cast<std::byte*>(buffer.view().raw()), 16'384);
    Bytes message;
    for (int i = 0; i < 40; ++i)
      for (int from = 0; from < comm.size(); ++from) {
        const Bytes sent(length(i + from), static_cast<std::byte>(10 * i + from));
        std::ranges::copy(sent, shared.begin() + from);
        const auto in_arena = shared.subspan(static_cast<std::size_t>(from), sent.size());
        for (int to = 0; to < comm.size(); ++to) {
          if (comm.rank() == from) comm.Send(to, i % 2 == 0 ? in_arena : std::span(sent));
          if (comm.rank() != to) continue;
          comm.Recv(from, message);
          ASSERT_EQ(message, sent);
        }
      }
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST(SharedCommunicator, NamesTheOtherEndOfAMessageThatDoesNotCome) {
  const auto errors = RunSharedRanks(3, [](SharedCommunicator& comm) {
    comm.set_deadline_seconds(0.5);
    comm.Barrier();
    Bytes message(100'000);
    if (comm.rank() == 0) comm.Send(2, message);
    if (comm.rank() == 1) comm.Recv(2, message);
    SleepFor(3.2);
  });
  EXPECT_THAT(errors[0], HasSubstr("send of 100000 bytes to rank 2 on here (message 1): rank 2 on "
                                   "here did not arrive within 0.5 s (rank 0 on here, while"));
  EXPECT_THAT(errors[1], HasSubstr("receive from rank 2 on here (message 1): rank 2 on here did "
                                   "not arrive within 0.5 s (rank 1 on here, while"));
  EXPECT_THAT(errors[2], IsEmpty());
}

TEST(SharedCommunicator, NoticesThatTheOtherEndOfAMessageHasEnded) {
  const auto start = std::chrono::steady_clock::now();
  const auto errors = RunSharedRanks(3, [](SharedCommunicator& comm) {
    Bytes message(5);
    if (comm.rank() == 1) return;
    if (comm.rank() == 2) comm.Send(1, message);
    if (comm.rank() == 0) comm.Recv(1, message);
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 15);  // the deadline is 30 s
  EXPECT_THAT(errors[0], HasSubstr("receive from rank 1 on here (message 1): rank 1 on here has "
                                   "ended (rank 0 on here"));
  EXPECT_THAT(errors[2], HasSubstr("send of 5 bytes to rank 1 on here (message 1): rank 1 on here "
                                   "has ended (rank 2 on here"));
}

// Rank 2 has left in good order; that is none of their business.
TEST(SharedCommunicator, SendsMessagesBesideRanksThatHaveLeft) {
  const auto errors = RunSharedRanks(3, [](SharedCommunicator& comm) {
    if (comm.rank() == 2) return;
    Bytes message(5);
    if (comm.rank() == 0) SleepFor(1.8);
    if (comm.rank() == 0) comm.Send(1, message);
    if (comm.rank() == 1) comm.Recv(0, message);
  });
  EXPECT_THAT(errors, Each(IsEmpty()));
}

TEST(SharedCommunicator, TellsACollectiveFromAMessage) {
  const auto errors = RunSharedRanks(2, [](SharedCommunicator& comm) {
    comm.set_deadline_seconds(0.5);
    comm.Barrier();
    if (comm.rank() == 0) comm.Send(1, Bytes(3));
    if (comm.rank() == 1) SumOnes(comm, 100);
  });
  EXPECT_THAT(errors[0], HasSubstr("the ranks have drifted apart, rank 1 on here is in all-reduce "
                                   "(collective 2)"));
  EXPECT_THAT(errors[1], HasSubstr("the ranks have drifted apart, rank 0 on here is in send "
                                   "(message 1)"));
}

TEST(SharedCommunicator, IsUnusableAfterAFailure) {
  const auto errors = RunSharedRanks(2, [](SharedCommunicator& comm) {
    EXPECT_THROW(SumOnes(comm, comm.rank() == 0 ? 100 : 200), CollectiveError);
    comm.Barrier();
  });
  EXPECT_THAT(errors, Each(HasSubstr("a collective after one that failed")));
}

}  // namespace
}  // namespace lockstep::testing
