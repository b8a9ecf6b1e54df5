// Letters between ranks that do not move in lockstep, on as many ranks as mpirun started.
#include "comm/messenger.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "tests/multi_rank/multi_rank.h"

namespace lockstep::testing {
namespace {

using Bytes = Communicator::Bytes;

// Small ones, and such as MPI sends only when their receiver asks for them.
constexpr std::size_t kLengths[] = {0, 1, 700, 100'000, 3, 2'000'000, 5};

Bytes Message(int from, int to, std::size_t length) {
  return Bytes(length, static_cast<std::byte>(1 + 16 * from + to));
}

class MailboxTest : public MultiRank {
 protected:
  void SetUp() override {
    if (size() == 1) GTEST_SKIP() << "messages need two ranks";
    messenger_ = OpenMessenger(comm());
  }

  // Looks again and again until there is nothing to wait for, for so long at most.
  static bool Await(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  // So many messages from each peer.
  std::vector<std::vector<Bytes>> ReceiveFromAll(std::size_t count) {
    std::vector<std::vector<Bytes>> messages(static_cast<std::size_t>(size()));
    std::size_t received = 0;
    EXPECT_TRUE(Await([&] {
      while (auto message = messenger_->Receive()) {
        messages[static_cast<std::size_t>(message->from)].push_back(std::move(message->text));
        ++received;
      }
      return received == count * static_cast<std::size_t>(size() - 1);
    })) << received
        << " messages";
    return messages;
  }

  void SendToAll(std::size_t length) {
    for (int to = 0; to < size(); ++to)
      if (to != rank()) messenger_->Send(to, Message(rank(), to, length));
  }

  std::unique_ptr<Messenger> messenger_;
};

TEST_F(MailboxTest, BringsLettersOfEveryLengthInTheirOrder) {
  for (const std::size_t length : kLengths) SendToAll(length);
  const auto messages = ReceiveFromAll(std::size(kLengths));
  for (int from = 0; from < size(); ++from) {
    const auto& own = messages[static_cast<std::size_t>(from)];
    if (from == rank()) continue;
    ASSERT_EQ(own.size(), std::size(kLengths));
    for (std::size_t i = 0; i < own.size(); ++i)
      EXPECT_TRUE(own[i] == Message(from, rank(), kLengths[i])) << "message " << i;
  }
  EXPECT_TRUE(Await([&] { return messenger_->empty(); })) << "all have been taken";
  EXPECT_FALSE(messenger_->Receive()) << "none is left";
  comm().Barrier();
}

TEST_F(MailboxTest, NeitherWaitsNorTakesPartInCollectives) {
  EXPECT_FALSE(messenger_->Receive());
  comm().Barrier();
  SendToAll(500'000);  // nobody looks for it yet
  comm().Barrier();
  Bytes message(rank() == 0 ? 9 : 0);
  comm().Broadcast(message);
  EXPECT_EQ(message.size(), 9u);
  EXPECT_FALSE(messenger_->empty()) << "so long a message waits with its sender";
  comm().Barrier();
  const auto messages = ReceiveFromAll(1);
  for (int from = 0; from < size(); ++from) {
    if (from == rank()) continue;
    EXPECT_TRUE(messages[static_cast<std::size_t>(from)].at(0) == Message(from, rank(), 500'000));
  }
  EXPECT_TRUE(Await([&] { return messenger_->empty(); }));
  comm().Barrier();
}

}  // namespace
}  // namespace lockstep::testing
