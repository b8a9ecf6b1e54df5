// What the communicator promises, on as many ranks as mpirun started.
#include "comm/communicator.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "tests/multi_rank/multi_rank.h"

namespace lockstep::testing {
namespace {

using Bytes = Communicator::Bytes;

class CommunicatorTest : public MultiRank {
 protected:
  // What rank r contributes: seeded, of very different sizes, so that orders of addition show.
  static std::vector<float> Values(int r, std::size_t count) {
    std::mt19937 random(1000u + static_cast<unsigned>(r));
    std::vector<float> values(count);
    for (float& value : values) {
      const std::uint32_t bits = static_cast<std::uint32_t>(random());
      // A random sign and mantissa, exponents from 2^-16 to 2^15.
      value = std::bit_cast<float>((bits & 0x8f7fffffu) + 0x37800000u);
    }
    return values;
  }

  std::vector<float> Expected(std::size_t count) const {
    std::vector<std::vector<float>> all;
    for (int r = 0; r < size(); ++r) all.push_back(Values(r, count));
    std::vector<float> sums(count);
    std::vector<float> column(all.size());
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t r = 0; r < all.size(); ++r) column[r] = all[r][i];
      sums[i] = SumTree(column);
    }
    return sums;
  }

  std::vector<float> AllReduce(std::vector<float> values) const {
    const auto count = static_cast<std::int64_t>(values.size());
    comm().AllReduceSum(TensorView(values.data(), DType::kF32, {count}), Stream{});
    return values;
  }

  static Bytes Message(std::size_t length, int seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    Bytes bytes(length);
    for (std::size_t at = 0; at < length; at += sizeof(std::uint32_t)) {
      const auto word = static_cast<std::uint32_t>(random());
      std::memcpy(bytes.data() + at, &word, std::min(sizeof(word), length - at));
    }
    return bytes;
  }
};

// memcmp of the bits, also where values are not numbers.
bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_F(CommunicatorTest, AddsInTheOrderOfTheSumTreeOnEveryRank) {
  // Both ways of adding (whole and in halves), in pieces and at once, sizes that divide by nothing,
  // and more ranks than elements.
  for (const std::size_t count : {1u, 2u, 3u, 7u, 1000u, 4095u, 4096u, 4097u, 4099u, 8193u, 16384u,
                                  16385u, 65537u, 300'001u}) {
    EXPECT_TRUE(SameBits(AllReduce(Values(rank(), count)), Expected(count))) << count;
  }
}

TEST_F(CommunicatorTest, AddsInPlaceOfMemoryMeantForIt) {
  // Two buffers by turns and without a pause, parts of them, and memory of both kinds mixed.
  const Tensor first = comm().AllocateReducible({70'000});
  const Tensor second = comm().AllocateReducible({3, 5000});
  for (int round = 0; round < 30; ++round) {
    for (const Tensor* buffer : {&first, &second}) {
      const auto count = static_cast<std::size_t>(buffer->view().elements() / (round % 4 + 1));
      const auto values = Values(rank(), count);
      float* x = buffer->view().data<float>();
      std::copy(values.begin(), values.end(), x);
      if (round == 7 && rank() % 2 == 1) {
        EXPECT_TRUE(SameBits(AllReduce(values), Expected(count)));
        continue;
      }
      comm().AllReduceSum(TensorView(x, DType::kF32, {static_cast<std::int64_t>(count)}), Stream{});
      EXPECT_EQ(std::memcmp(x, Expected(count).data(), count * sizeof(float)), 0) << count;
    }
  }
}

TEST_F(CommunicatorTest, AddsInMemoryThatComesAndGoes) {
  for (int i = 0; i < 200; ++i) {
    const Tensor x = comm().AllocateReducible({4 << 20});
    x.view().data<float>()[i] = 1.0f;
    comm().AllReduceSum(TensorView(x.view().data<float>() + i, DType::kF32, {1}), Stream{});
    EXPECT_EQ(x.view().data<float>()[i], static_cast<float>(size()));
  }
}

TEST_F(CommunicatorTest, AddsMoreThanEightMebibytes) {
  const std::size_t count = (9u << 20) / sizeof(float) + 3;
  EXPECT_TRUE(SameBits(AllReduce(Values(rank(), count)), Expected(count)));
}

TEST_F(CommunicatorTest, AddsSmallIntegersExactly) {
  std::vector<float> mine(513);
  std::iota(mine.begin(), mine.end(), static_cast<float>(rank()));
  const auto sums = AllReduce(mine);
  const int of_ranks = size() * (size() - 1) / 2;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    EXPECT_EQ(sums[i], static_cast<float>(size() * static_cast<int>(i) + of_ranks));
  }
}

TEST_F(CommunicatorTest, AddsNothingAndStaysUsable) {
  EXPECT_THAT(AllReduce({}), ::testing::IsEmpty());
  EXPECT_THAT(AllReduce({1.0f}), ::testing::ElementsAre(static_cast<float>(size())));
}

TEST_F(CommunicatorTest, KeepsInfinitiesAndNotANumbers) {
  const float infinity = std::numeric_limits<float>::infinity();
  const bool last = rank() == size() - 1;
  const auto sums = AllReduce({last ? infinity : 1.0f, last ? NAN : 1.0f});
  EXPECT_EQ(sums[0], infinity);
  EXPECT_TRUE(std::isnan(sums[1]));
}

TEST_F(CommunicatorTest, GivesTheSameBitsAgainAndAgain) {
  const auto first = AllReduce(Values(rank(), 5000));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(SameBits(AllReduce(Values(rank(), 5000)), first));
}

TEST_F(CommunicatorTest, CountsEveryAllReduceOnce) {
  const auto before = comm().all_reduce_count();
  AllReduce({1.0f});
  AllReduce({});
  AllReduce(std::vector<float>(100'000));
  comm().Barrier();
  EXPECT_EQ(comm().all_reduce_count(), before + 3);
}

TEST_F(CommunicatorTest, RefusesToAddAnythingButFp32) {
  std::vector<BFloat16> values(4);
  EXPECT_THROW(comm().AllReduceSum(TensorView(values.data(), DType::kBF16, {4}), Stream{}), Error);
  EXPECT_THAT(AllReduce({1.0f}), ::testing::ElementsAre(static_cast<float>(size())));
}

TEST_F(CommunicatorTest, GathersUnevenMessagesInRankOrder) {
  // Around the first packet's size too, where a second transfer begins.
  for (const std::size_t base : {0u, 1u, 4087u, 4088u, 4089u, 300'000u}) {
    const auto length = [&](int r) { return base + 7u * static_cast<std::size_t>(r); };
    const auto all = comm().Gather(Message(length(rank()), rank()));
    if (rank() != 0) {
      EXPECT_TRUE(all.empty());
      continue;
    }
    EXPECT_EQ(all.size(), static_cast<std::size_t>(size()));
    for (int r = 0; r < size(); ++r) {
      EXPECT_EQ(all.at(static_cast<std::size_t>(r)), Message(length(r), r)) << base;
    }
  }
}

TEST_F(CommunicatorTest, GathersUnevenMessagesOnEveryRank) {
  for (const std::size_t base : {0u, 5u, 4088u, 100'000u}) {
    // The first rank's is empty when base is 0, the last one's is the longest.
    const auto length = [&](int r) { return base * static_cast<std::size_t>(r) + base / 2; };
    const auto all = comm().AllGather(Message(length(rank()), rank()));
    EXPECT_EQ(all.size(), static_cast<std::size_t>(size()));
    for (int r = 0; r < size(); ++r) {
      EXPECT_EQ(all.at(static_cast<std::size_t>(r)), Message(length(r), r)) << base;
    }
  }
}

TEST_F(CommunicatorTest, BroadcastsMessagesOfEveryLength) {
  for (const std::size_t length : {0u, 1u, 4087u, 4088u, 4089u, 70'000u, 10'000'000u}) {
    // The receivers' old contents, of another length, must not shine through.
    Bytes message = rank() == 0 ? Message(length, 42) : Message(123, rank());
    comm().Broadcast(message);
    EXPECT_TRUE(message == Message(length, 42)) << length;
  }
}

TEST_F(CommunicatorTest, KeepsOrderWhenRanksRunAheadOfEachOther) {
  // Rank 0 does not wait for its receivers in a broadcast, nor they for each other in a gather.
  for (int i = 0; i < 300; ++i) {
    Bytes message = rank() == 0 ? Message(static_cast<std::size_t>(i), i) : Bytes{};
    comm().Broadcast(message);
    EXPECT_EQ(message, Message(static_cast<std::size_t>(i), i));
    const auto all = comm().Gather(Message(static_cast<std::size_t>(i % 5), i + rank()));
    if (rank() == 0) {
      EXPECT_EQ(all.back(), Message(static_cast<std::size_t>(i % 5), i + size() - 1));
    }
  }
}

TEST_F(CommunicatorTest, HoldsEverybodyAtABarrier) {
  for (int i = 0; i < 50; ++i) comm().Barrier();
  // The clock is the host's, the same for all ranks.
  for (int late = 0; late < size(); ++late) {
    if (rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::int64_t came = std::chrono::steady_clock::now().time_since_epoch().count();
    comm().Barrier();
    const std::int64_t left = std::chrono::steady_clock::now().time_since_epoch().count();
    for (const Bytes& other : comm().AllGather(std::as_bytes(std::span(&came, 1)))) {
      std::int64_t others = 0;
      std::memcpy(&others, other.data(), sizeof(others));
      EXPECT_LE(others, left) << "rank " << late << " came late";
    }
  }
}

TEST_F(CommunicatorTest, KnowsItsHosts) {
  for (int r = 0; r < size(); ++r)
    EXPECT_THAT(comm().host(r), ::testing::Not(::testing::IsEmpty()));
  EXPECT_THROW(comm().host(size()), Error);
}

}  // namespace
}  // namespace lockstep::testing
