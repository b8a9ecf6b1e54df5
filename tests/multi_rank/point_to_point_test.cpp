// Send() and Recv(), on as many ranks as mpirun started.
#include <gmock/gmock.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/multi_rank/multi_rank.h"
#include "tests/support/message_of.h"

namespace lockstep::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Bytes = ControlPlane::Bytes;

class PointToPoint : public MultiRank {
 protected:
  static Bytes Message(std::size_t length, int seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    Bytes bytes(length);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    return bytes;
  }

  static Bytes Received(ControlPlane& group, int from) {
    Bytes message(99, std::byte{0xee});  // what was there must not shine through
    group.Recv(from, message);
    return message;
  }

  static void Send(ControlPlane& group, int to, const Bytes& message) { group.Send(to, message); }

  static void SleepFor(double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  }
};

// Around every buffer on the way: the slot of a pair, the first packet, MPI's pieces of 1 MiB.
constexpr std::size_t kLengths[] = {0,    1,    4087,    4088,      4089,      4095,     4096,
                                    4097, 8192, 100'000, 1'048'576, 1'060'000, 5'000'001};

TEST_F(PointToPoint, CarriesMessagesOfEveryLengthBothWays) {
  const int last = size() - 1;
  for (const std::size_t length : kLengths) {
    const int seed = static_cast<int>(length);
    if (rank() == 0) {
      Send(comm(), last, Message(length, seed));
      EXPECT_TRUE(Received(comm(), last) == Message(length, seed + (last == 0 ? 0 : 1))) << length;
    }
    if (rank() == last && last > 0) {
      EXPECT_TRUE(Received(comm(), 0) == Message(length, seed)) << length;
      Send(comm(), 0, Message(length, seed + 1));
    }
  }
}

TEST_F(PointToPoint, KeepsTheOrderOfItsMessages) {
  // Two fast senders and one slow receiver, whose messages do not get mixed up.
  for (int i = 0; i < 300; ++i) {
    const auto length = static_cast<std::size_t>(i * 37 % 9000);
    if (rank() > 0 && rank() < 3) Send(comm(), 0, Message(length, 1000 * rank() + i));
    for (int from = std::min(2, size() - 1); rank() == 0 && from > 0; --from)
      EXPECT_TRUE(Received(comm(), from) == Message(length, 1000 * from + i)) << i;
  }
}

TEST_F(PointToPoint, PassesFromRankToRank) {
  for (int round = 0; round < 20; ++round) {
    Bytes message = Message(20'000, round);
    if (rank() > 0) message = Received(comm(), rank() - 1);
    if (rank() < size() - 1) Send(comm(), rank() + 1, message);
    EXPECT_TRUE(message == Message(20'000, round));
  }
}

TEST_F(PointToPoint, KeepsAMessageToItselfUntilItIsReceived) {
  Send(comm(), rank(), Message(10, 1));
  Send(comm(), rank(), {});
  Send(comm(), rank(), Message(100'000, 2));
  comm().Barrier();
  EXPECT_EQ(Received(comm(), rank()), Message(10, 1));
  EXPECT_EQ(Received(comm(), rank()), Bytes{});
  EXPECT_EQ(Received(comm(), rank()), Message(100'000, 2));
  EXPECT_THAT(MessageOf([&] { Received(comm(), rank()); }, ExitCode::kInternal),
              HasSubstr("it is this rank, which has sent nothing"));
}

// What a stage of a pipeline gives to the next one.
TEST_F(PointToPoint, SendsFromTheMemoryOfSums) {
  const Tensor x = comm().AllocateReducible({300, 100});
  const std::span<float> values(x.view().data<float>(), 30'000);
  for (int step = 0; step < 30; ++step) {
    std::fill(values.begin(), values.end(), static_cast<float>(step + rank()));
    comm().AllReduceSum(x.view(), Stream{});
    const float sum = values[0];
    if (rank() == 0 && size() > 1) comm().Send(1, std::as_bytes(values));
    if (rank() != 1) continue;
    const Bytes bytes = Received(comm(), 0);
    EXPECT_TRUE(bytes.size() == values.size_bytes() &&
                std::memcmp(bytes.data(), values.data(), bytes.size()) == 0)
        << sum;
  }
}

TEST_F(PointToPoint, DoesNotDisturbCollectives) {
  if (size() < 2) return;
  for (int i = 0; i < 50; ++i) {
    // The others are in the barrier already.
    if (rank() == 0) Send(comm(), 1, Message(5000, i));
    if (rank() == 1) {
      EXPECT_TRUE(Received(comm(), 0) == Message(5000, i));
    }
    comm().Barrier();
  }
}

TEST_F(PointToPoint, RefusesRanksThatThereAreNot) {
  EXPECT_THROW(Send(comm(), size(), {}), Error);
  EXPECT_THROW(Send(comm(), -1, {}), Error);
  EXPECT_THROW(Received(comm(), size()), Error);
}

// In parts, which are of no use after that.
TEST_F(PointToPoint, NamesAReceiverThatNeverComes) {
  if (size() < 2) return;
  const auto part = comm().Split(0, -rank());
  const int self = part->rank();
  if (self == 0) {
    const DeadlineScope soon(comm(), 1.5);
    const std::string error =
        MessageOf([&] { Send(*part, 1, Message(400, 1)); }, ExitCode::kRankFailure);
    const auto name = [&](int r) { return fmt::format("rank {} on {}", r, comm().host(r)); };
    EXPECT_THAT(error, HasSubstr(fmt::format("send of 400 bytes to {0} (message 1): {0} did not "
                                             "arrive within 1.5 s ({1}, while",
                                             name(size() - 2), name(size() - 1))));
    EXPECT_THROW(Send(*part, 1, {}), Error) << "it is unusable";
  }
  comm().Barrier();
}

TEST_F(PointToPoint, NamesASenderThatNeverComes) {
  if (size() < 2) return;
  const auto part = comm().Split(0, 0);
  if (rank() == 1) {
    const DeadlineScope soon(comm(), 1.5);
    const std::string error = MessageOf([&] { Received(*part, 0); }, ExitCode::kRankFailure);
    EXPECT_THAT(error,
                HasSubstr(fmt::format("receive from rank 0 on {0} (message 1): rank 0 on {0} "
                                      "did not arrive within 1.5 s (rank 1",
                                      comm().host(0))));
  }
  comm().Barrier();
}

TEST_F(PointToPoint, NamesTheRankThatTheOtherEndWaitsFor) {
  if (size() < 3) return;
  const auto part = comm().Split(0, 0);
  std::string error;
  comm().Barrier();
  if (rank() < 2) {
    const DeadlineScope soon(comm(), 0.6);
    error = MessageOf([&] { Received(*part, rank() + 1); }, ExitCode::kRankFailure);
    EXPECT_THAT(error, AllOf(HasSubstr("rank 2 on"), HasSubstr("did not arrive within 0.6 s")));
  }
  if (rank() == 0) {
    EXPECT_THAT(error, Not(HasSubstr("rank 1 on " + comm().host(1) + " did not")));
  }
  comm().Barrier();
}

TEST_F(PointToPoint, SaysThatTwoWaitForEachOther) {
  if (size() < 2) return;
  const auto part = comm().Split(rank() / 2, 0);
  comm().Barrier();
  if (rank() < 2) {
    const DeadlineScope soon(comm(), 0.6);
    EXPECT_THAT(MessageOf([&] { Send(*part, 1 - rank(), {}); }, ExitCode::kInternal),
                AllOf(HasSubstr("send of 0 bytes to rank"), HasSubstr("have drifted apart"),
                      HasSubstr("is in send (message 1)")));
  }
  comm().Barrier();
}

}  // namespace
}  // namespace lockstep::testing
