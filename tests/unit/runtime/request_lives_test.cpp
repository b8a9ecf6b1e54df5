#include "runtime/tracing/request_lives.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using enum RequestMoment;

void ExpectPart(const RequestLife::Part& part, std::string_view name, std::int64_t begin,
                std::int64_t end) {
  EXPECT_EQ(part.name, name);
  EXPECT_EQ(part.begin, begin) << name;
  EXPECT_EQ(part.end, end) << name;
}

TEST(RequestLives, AreQueuedReadAndDecoded) {
  const std::vector<RequestTime> moments{{.request = 1, .moment = kArrived, .at = 10, .tokens = 5},
                                         {.request = 2, .moment = kArrived, .at = 11, .tokens = 9},
                                         {.request = 1, .moment = kBegun, .at = 20},
                                         {.request = 1, .moment = kFirstToken, .at = 30},
                                         {.request = 2, .moment = kBegun, .at = 35},
                                         {.request = 1, .moment = kEnded, .at = 40, .tokens = 3},
                                         {.request = 2, .moment = kEnded, .at = 50}};
  const auto lives = LivesOf(moments, 0, 100);
  ASSERT_EQ(lives.size(), 2u);
  EXPECT_EQ(lives[0].request, 1);
  EXPECT_EQ(lives[0].prompt_tokens, 5);
  EXPECT_EQ(lives[0].new_tokens, 3);
  ASSERT_EQ(lives[0].parts.size(), 3u);
  ExpectPart(lives[0].parts[0], "queued", 10, 20);
  ExpectPart(lives[0].parts[1], "prompt", 20, 30);
  ExpectPart(lives[0].parts[2], "decoding", 30, 40);
  ASSERT_EQ(lives[1].parts.size(), 2u) << "it generates nothing";
  ExpectPart(lives[1].parts[1], "prompt", 35, 50);
}

TEST(RequestLives, EndWithTheTraceWhereTheyHaveNotEnded) {
  const std::vector<RequestTime> moments{{.request = 1, .moment = kArrived, .at = 10}};
  const auto lives = LivesOf(moments, 0, 100);
  ASSERT_EQ(lives.size(), 1u);
  ExpectPart(lives[0].parts[0], "queued", 10, 100);
}

TEST(RequestLives, AreCutOffWhereTheTraceBegins) {
  const std::vector<RequestTime> moments{
      {.request = 1, .moment = kArrived, .at = 10},    {.request = 1, .moment = kBegun, .at = 20},
      {.request = 1, .moment = kFirstToken, .at = 40}, {.request = 2, .moment = kArrived, .at = 15},
      {.request = 2, .moment = kEnded, .at = 25},      {.request = 1, .moment = kEnded, .at = 50}};
  const auto lives = LivesOf(moments, 30, 100);
  ASSERT_EQ(lives.size(), 1u) << "the other one has ended before";
  ASSERT_EQ(lives[0].parts.size(), 2u);
  ExpectPart(lives[0].parts[0], "prompt", 30, 40);
  ExpectPart(lives[0].parts[1], "decoding", 40, 50);
}

TEST(RequestLives, MayHaveANumberThatComesAgain) {
  const std::vector<RequestTime> moments{{.request = 1, .moment = kArrived, .at = 10},
                                         {.request = 1, .moment = kEnded, .at = 20},
                                         {.request = 1, .moment = kArrived, .at = 30},
                                         {.request = 1, .moment = kEnded, .at = 40}};
  EXPECT_EQ(LivesOf(moments, 0, 100).size(), 2u);
}

// A beam that branches off another is decoded at once, and its first token comes later.
TEST(RequestLives, MayBeginInTheirMiddle) {
  const std::vector<RequestTime> moments{{.request = 4, .moment = kFirstToken, .at = 10},
                                         {.request = 4, .moment = kFirstToken, .at = 12},
                                         {.request = 4, .moment = kEnded, .at = 20},
                                         {.request = 9, .moment = kEnded, .at = 21}};
  const auto lives = LivesOf(moments, 0, 100);
  ASSERT_EQ(lives.size(), 1u) << "of request 9 nothing is known but its end";
  ASSERT_EQ(lives[0].parts.size(), 1u);
  ExpectPart(lives[0].parts[0], "decoding", 10, 20);
}

}  // namespace
}  // namespace lockstep
