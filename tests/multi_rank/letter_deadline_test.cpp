// Letters from a rank that is stopped in the middle of sending them.
#include <gmock/gmock.h>

#include <chrono>
#include <string>
#include <thread>

#include "comm/mailbox.h"
#include "launcher/world/world.h"
#include "tests/multi_rank/multi_rank.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kLongerThanMpiSendsAtOnce = std::size_t{8} << 20;

std::string WhyNothingComes(Mailbox& mailbox, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    try {
      if (mailbox.Receive()) return "a letter came";
    } catch (const CollectiveError& error) {
      return error.what();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return "no error in time";
}

class LetterDeadline : public MultiRank {};

TEST_F(LetterDeadline, NamesTheRankWhoseLetterDoesNotEnd) {
  if (size() == 1) return;
  const auto mailbox = OpenMailbox(comm());
  comm().Barrier();
  if (rank() == 1) {
    mailbox->Send(0, Communicator::Bytes(kLongerThanMpiSendsAtOnce));
    std::this_thread::sleep_for(std::chrono::seconds(2));  // without a call of MPI
  }
  if (rank() == 0) {
    const DeadlineScope short_deadline(comm(), 0.5);
    EXPECT_THAT(WhyNothingComes(*mailbox, 15), HasSubstr("rank 1 on "));
  }
  comm().Barrier();
}

TEST_F(LetterDeadline, LongAndShortLettersKeepTheirOrder) {
  const auto mailbox = OpenMailbox(comm());
  constexpr std::size_t kSizes[] = {3, std::size_t{5} << 20, 1, 4097, std::size_t{1} << 20, 0};
  if (rank() != 0) {
    for (const std::size_t bytes : kSizes) {
      mailbox->Send(0, Communicator::Bytes(bytes, static_cast<std::byte>(rank())));
    }
  }
  std::vector<std::vector<std::size_t>> got(static_cast<std::size_t>(size()));
  for (std::size_t letters = 0; rank() == 0 && letters < std::size(kSizes) * (got.size() - 1);) {
    const auto letter = mailbox->Receive();
    if (!letter) continue;
    ++letters;
    got[static_cast<std::size_t>(letter->from)].push_back(letter->text.size());
    for (const std::byte byte : letter->text) ASSERT_EQ(byte, static_cast<std::byte>(letter->from));
  }
  while (!mailbox->empty()) std::this_thread::yield();
  for (std::size_t peer = 1; rank() == 0 && peer < got.size(); ++peer) {
    EXPECT_THAT(got[peer], ::testing::ElementsAreArray(kSizes));
  }
  comm().Barrier();
}

}  // namespace
}  // namespace lockstep::testing
