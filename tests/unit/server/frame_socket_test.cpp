#include "server/groups/wire/frame_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <stdexcept>

#include "core/error.h"
#include "server/groups/backoff.h"
#include "server/groups/wire/local_socket.h"

namespace lockstep {
namespace {

std::pair<Descriptor, Descriptor> Pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) throw std::runtime_error("socketpair");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::vector<std::byte> Bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + size);
  return bytes;
}

TEST(FrameSocket, BringsMessagesOfEverySizeInOrder) {
  auto [left, right] = Pair();
  FrameSocket from(std::move(left)), to(std::move(right));
  const std::size_t sizes[] = {0, 1, 5000000, 3, 100000, 0};
  for (const std::size_t size : sizes) from.Put(Bytes(size));
  for (const std::size_t size : sizes) {
    auto message = to.Next();
    while (!message) {
      ASSERT_TRUE(from.Write());
      ASSERT_TRUE(to.Read());
      message = to.Next();
    }
    EXPECT_EQ(*message, Bytes(size));
  }
  EXPECT_FALSE(from.has_unwritten());
}

TEST(FrameSocket, TellsWhenThePeerIsGoneAndKeepsWhatItHasSent) {
  auto [left, right] = Pair();
  FrameSocket to(std::move(right));
  {
    FrameSocket from(std::move(left));
    from.Put(Bytes(9));
    EXPECT_TRUE(from.Write());
  }
  while (to.Read()) {
  }
  EXPECT_EQ(to.Next(), Bytes(9));
  EXPECT_EQ(to.Next(), std::nullopt);
  to.Put(Bytes(1));
  EXPECT_FALSE(to.Write());
}

TEST(FrameSocket, RefusesALengthThatCannotBe) {
  auto [left, right] = Pair();
  FrameSocket to(std::move(right));
  const std::string nonsense(8, '\xff');
  ASSERT_EQ(::send(left.number(), nonsense.data(), nonsense.size(), 0), 8);
  EXPECT_TRUE(to.Read());
  EXPECT_THROW(to.Next(), Error);
}

TEST(LocalListener, MeetsWhoKnowsItsName) {
  const LocalListener listener;
  EXPECT_FALSE(listener.Accept());
  const Descriptor here = ConnectTo(listener.name());
  const Descriptor there = listener.Accept();
  ASSERT_TRUE(there);
  ASSERT_EQ(::send(here.number(), "x", 1, 0), 1);
  char byte = 0;
  EXPECT_EQ(::recv(there.number(), &byte, 1, 0), 1);
  EXPECT_THROW(ConnectTo(listener.name() + "x"), Error);
}

TEST(Backoff, DoublesUpToHalfAMinute) {
  Backoff backoff;
  std::vector<long> waits;
  for (int i = 0; i < 8; ++i) waits.push_back(backoff.Next().count());
  EXPECT_EQ(waits, (std::vector<long>{0, 1, 2, 4, 8, 16, 30, 30}));
  backoff.Reset();
  EXPECT_EQ(backoff.Next().count(), 0);
}

}  // namespace
}  // namespace lockstep
