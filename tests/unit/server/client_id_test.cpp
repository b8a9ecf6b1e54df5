#include "server/http/client_id.h"

#include <gtest/gtest.h>

#include <set>

namespace lockstep {
namespace {

namespace ip = boost::asio::ip;

ClientId Behind(const std::vector<std::string_view>& forwarded_for, std::int64_t proxies) {
  return IdOf({.peer = ip::make_address("10.0.0.1"), .forwarded_for = forwarded_for}, proxies);
}
ClientId At(const char* address) { return IdOf({.peer = ip::make_address(address)}, 0); }

TEST(ClientIds, AreThoseOfAddresses) {
  EXPECT_EQ(At("127.0.0.1"), At("127.0.0.1"));
  EXPECT_EQ(At("::ffff:127.0.0.1"), At("127.0.0.1"));
  EXPECT_EQ(At("2001:db8:1:2::3"), At("2001:db8:1:2:ffff::4")) << "one network";
  const std::set<ClientId> all{
      kNobody,   At("127.0.0.1"),      At("127.0.0.2"),      At("::1"),
      At("::2"), At("2001:db8:1:2::"), At("2001:db8:1:3::"), At("fe80::1")};
  EXPECT_EQ(all.size(), 7U) << "::1 and ::2 are of one network, and nobody's is none of them";
}

TEST(ClientIds, AreThoseOfKeysWhereThereAreSome) {
  const ip::address here = ip::make_address("127.0.0.1"), there = ip::make_address("127.0.0.2");
  EXPECT_EQ(IdOf({.peer = here, .key = 0}, 0), IdOf({.peer = there, .key = 0}, 0));
  EXPECT_NE(IdOf({.peer = here, .key = 0}, 0), IdOf({.peer = here, .key = 1}, 0));
  EXPECT_NE(IdOf({.peer = here, .key = 0}, 0), IdOf({.peer = here}, 0));
}

TEST(ClientIds, AreWhatTrustedProxiesSay) {
  EXPECT_EQ(Behind({"1.1.1.1"}, 1), At("1.1.1.1"));
  EXPECT_EQ(Behind({"9.9.9.9, 1.1.1.1"}, 1), At("1.1.1.1"));
  EXPECT_EQ(Behind({"9.9.9.9,2.2.2.2 ,1.1.1.1"}, 2), At("2.2.2.2"));
  EXPECT_EQ(Behind({"9.9.9.9, 2.2.2.2", "1.1.1.1"}, 2), At("2.2.2.2")) << "two lines";
  EXPECT_EQ(Behind({"9.9.9.9", "2.2.2.2, 1.1.1.1"}, 3), At("9.9.9.9"));
  EXPECT_EQ(Behind({"1.1.1.1:1234"}, 1), At("1.1.1.1"));
  EXPECT_EQ(Behind({"[2001:db8::1]:1234"}, 1), At("2001:db8::1"));
  EXPECT_EQ(Behind({"2001:db8::1"}, 1), At("2001:db8::1"));
}

TEST(ClientIds, AreThePeersWhereNothingElseIsToBeTrusted) {
  const ClientId peer = At("10.0.0.1");
  EXPECT_EQ(Behind({"1.1.1.1"}, 0), peer);
  EXPECT_EQ(Behind({}, 1), peer);
  EXPECT_EQ(Behind({"1.1.1.1"}, 2), peer) << "it has come past a proxy";
  for (const char* text : {"", ",", "unknown", "1.1.1", "[::1", "1.1.1.1, "})
    EXPECT_EQ(Behind({text}, 1), peer) << text;
}

TEST(Keys, AreFoundByTheHeader) {
  const std::vector<std::string> keys{"one", "two"};
  EXPECT_EQ(KeyOf("Bearer one", keys), 0U);
  EXPECT_EQ(KeyOf("Bearer two", keys), 1U);
  for (const char* header : {"Bearer three", "Bearer ", "one", ""})
    EXPECT_EQ(KeyOf(header, keys), std::nullopt) << header;
  EXPECT_EQ(KeyOf("Bearer one", {}), std::nullopt);
}

}  // namespace
}  // namespace lockstep
