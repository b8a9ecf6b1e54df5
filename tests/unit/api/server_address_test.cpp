#include "api/server_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"

namespace lockstep {
namespace {

TEST(ServerUrl, NamesHostAndPort) {
  for (const char* url :
       {"http://lab:8000", "lab:8000", "http://lab:8000/", "http://lab:8000/v1"}) {
    EXPECT_EQ(ParseServerUrl(url).host, "lab") << url;
    EXPECT_EQ(ParseServerUrl(url).port, "8000") << url;
  }
  EXPECT_EQ(ParseServerUrl("http://lab").port, "80");
  EXPECT_EQ(ParseServerUrl("http://[::1]:8000").host, "::1");
  EXPECT_EQ(ParseServerUrl("http://[::1]").port, "80");
  EXPECT_FALSE(ParseServerUrl("http://lab").is_encrypted);
}

TEST(ServerUrl, SaysWhetherTheServerSpeaksTls) {
  EXPECT_TRUE(ParseServerUrl("https://lab:8000/v1").is_encrypted);
  EXPECT_EQ(ParseServerUrl("https://lab:8000/v1").port, "8000");
  EXPECT_EQ(ParseServerUrl("https://lab").port, "443");
  EXPECT_EQ(ParseServerUrl("https://lab").host, "lab");
}

TEST(ServerUrl, IsRefusedWhereItIsNone) {
  for (const char* url : {"", "http://", "http://:8000", "lab:port", "http://lab/other:1",
                          "https://", "ftp://lab:8000"})
    EXPECT_THAT(MessageOf([&] { ParseServerUrl(url); }),
                testing::EndsWith("expected http://HOST:PORT or https://HOST:PORT"))
        << url;
}

}  // namespace
}  // namespace lockstep
