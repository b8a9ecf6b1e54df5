// Letters from a rank that is stopped in the middle of sending them.
#include <gmock/gmock.h>

#include <chrono>
#include <string>
#include <thread>

#include "comm/messenger.h"
#include "runtime/world/world.h"
#include "tests/multi_rank/multi_rank.h"

namespace lockstep::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t kLongerThanMpiSendsAtOnce = std::size_t{8} << 20;

std::string WhyNothingComes(Messenger& messenger, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    try {
      if (messenger.Receive()) return "a message came";
    } catch (const CollectiveError& error) {
      return error.what();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return "no error in time";
}

class MessageDeadline : public MultiRank {};

TEST_F(MessageDeadline, NamesTheRankWhoseLetterDoesNotEnd) {
  if (size() == 1) return;
  const auto messenger = OpenMessenger(comm());
  comm().Barrier();
  if (rank() == 1) {
    messenger->Send(0, Communicator::Bytes(kLongerThanMpiSendsAtOnce));
    std::this_thread::sleep_for(std::chrono::seconds(2));  // without a call of MPI
  }
  if (rank() == 0) {
    const DeadlineScope short_deadline(comm(), 0.5);
    EXPECT_THAT(WhyNothingComes(*messenger, 15), HasSubstr("rank 1 on "));
  }
  comm().Barrier();
}

// Rank 1 waits for rank 2, which does nothing that could answer.
TEST_F(MessageDeadline, FindsWhoHoldsUpARankThatIsNotHeardOf) {
  if (size() < 3) return;
  const auto messenger = OpenMessenger(comm());
  comm().Barrier();
  Communicator::Bytes message(1);
  if (rank() == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    EXPECT_THAT(messenger->WhoHoldsUp(1), ElementsAre(2));
    EXPECT_EQ(WhichWaitsFor(*messenger, comm(), 1),
              ", which waits for rank 2 on " + comm().host(2));
  }
  if (rank() == 1) comm().Recv(2, message);
  if (rank() == 2) {
    std::this_thread::sleep_for(std::chrono::seconds(4));
    comm().Send(1, message);
  }
  comm().Barrier();
}

}  // namespace
}  // namespace lockstep::testing
