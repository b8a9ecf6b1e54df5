#include "server/http/request_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace lockstep {
namespace {

constexpr const char* kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(NameRequest, TakesTheClientsIdWhereItIsOne) {
  for (const char* id : {"a", "550e8400-e29b-41d4-a716-446655440000", "req_1:2/3+4=", "#~"})
    EXPECT_EQ(NameRequest({.id = id, .traceparent = ""}).label.request_id, id);
  EXPECT_EQ(NameRequest({.id = std::string(128, 'x'), .traceparent = ""}).label.request_id.size(),
            128u);
}

TEST(NameRequest, MakesAnIdWhereThereIsNone) {
  const std::string longest(129, 'x');
  std::set<std::string> made;
  for (const std::string& id :
       {std::string(), std::string("a b"), std::string("a\tb"), longest, std::string("caf\xc3\xa9"),
        std::string("a\"b"), std::string("a\\b"), std::string("a\0b", 3)})
    made.insert(NameRequest({.id = id, .traceparent = ""}).label.request_id);
  EXPECT_EQ(made.size(), 8u);
  for (const std::string& id : made) EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]{32}")) << id;
}

TEST(NameRequest, TakesATraceOfW3C) {
  const RequestName name = NameRequest({.id = "", .traceparent = kTrace});
  EXPECT_EQ(name.label.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(name.traceparent, kTrace);
  const std::string later =
      "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like";
  EXPECT_EQ(NameRequest({.id = "", .traceparent = later}).traceparent, later);
}

TEST(NameRequest, PassesOverWhatIsNoTrace) {
  for (const char* wrong : {"", "00", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
                            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
                            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
                            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) {
    const RequestName name = NameRequest({.id = "x", .traceparent = wrong});
    EXPECT_EQ(name.label.trace_id, "") << wrong;
    EXPECT_EQ(name.traceparent, "") << wrong;
    EXPECT_EQ(name.label.request_id, "x");
  }
}

}  // namespace
}  // namespace lockstep
