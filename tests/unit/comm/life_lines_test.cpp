#include "comm/peers/life_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "comm/peers/line_sockets.h"

namespace lockstep {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// A machine without a network has nothing to connect through.
bool HasNetwork() {
  LineListener listener;
  std::uint16_t port = 0;
  const auto contact = listener.Open();
  std::memcpy(&port, contact.data() + 2 * sizeof(std::uint64_t), sizeof(port));
  return port != 0;
}

TEST(LineSockets, ConnectRanksThatShowTheSecret) {
  if (!HasNetwork()) GTEST_SKIP() << "this machine has no network";
  LineListener listener;
  const auto contact = listener.Open();
  auto forged = contact;
  forged[0] ^= std::byte{1};
  int connection = -1;
  int stranger = -1;
  std::thread others([&] {
    stranger = ConnectLine(forged, 2);
    connection = ConnectLine(contact, 4);
  });
  const auto lines = listener.Accept({4});
  others.join();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0].first, 4);
  EXPECT_GE(connection, 0);
  EXPECT_EQ(stranger, -1);
  EXPECT_FALSE(IsClosed(lines[0].second));
  ::close(connection);
  for (int i = 0; i < 1000 && !IsClosed(lines[0].second); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(IsClosed(lines[0].second));
  ::close(lines[0].second);
}

TEST(LineSockets, DoWithoutRanksThatDoNotCome) {
  LineListener listener;
  const auto contact = listener.Open();
  EXPECT_THAT(listener.Accept({1}), IsEmpty());
  LineListener closed;
  EXPECT_EQ(ConnectLine(std::vector<std::byte>(contact.size()), 1), -1);
  EXPECT_EQ(ConnectLine({}, 1), -1);
  EXPECT_THAT(closed.Accept({1}), IsEmpty());
}

}  // namespace
}  // namespace lockstep
