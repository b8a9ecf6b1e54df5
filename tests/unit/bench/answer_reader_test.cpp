#include "bench/load/targets/answer_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;

std::string Event(const std::string& text) {
  return "data: {\"id\": \"x\", \"choices\": [{\"index\": 0, \"text\": \"" + text +
         "\", \"logprobs\": {\"usage\": 3}}], \"usage\": null, \"error\": null}\n\n";
}

constexpr const char* kUsage =
    "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 9, \"completion_tokens\": 4, "
    "\"prompt_tokens_details\": {\"completion_tokens\": 77}}}\n\n";

TEST(AnswerReader, CountsEventsWithAChoiceAndThePausesBetweenThem) {
  RequestRecord record;
  record.start = 10.0;
  AnswerReader reader(record);
  EXPECT_TRUE(reader.Push(": ping\n\n" + Event("a"), 10.5));
  EXPECT_TRUE(reader.Push(Event("b").substr(0, 20), 11.0));
  EXPECT_TRUE(reader.Push(Event("b").substr(20) + Event(""), 12.0));
  EXPECT_TRUE(reader.Push(std::string(kUsage) + "data: [DONE]\n\n", 13.0));
  reader.Finish();
  EXPECT_TRUE(record.is_complete());
  EXPECT_DOUBLE_EQ(record.ttft, 0.5);
  EXPECT_THAT(record.itl, ElementsAre(FloatEq(1.5f), FloatEq(0.0f)));
  EXPECT_DOUBLE_EQ(record.latency, 2.0);  // the usage and the end are no tokens
  EXPECT_EQ(record.prompt_tokens, 9);
  EXPECT_EQ(record.tokens(), 4);
  EXPECT_DOUBLE_EQ(record.tpot(), 0.5);
}

TEST(AnswerReader, CountsEventsWhereThereIsNoUsage) {
  RequestRecord record;
  AnswerReader reader(record);
  reader.Push(Event("a") + Event("b"), 1.0);
  reader.Finish();
  EXPECT_FALSE(record.output_tokens);
  EXPECT_EQ(record.tokens(), 2);
}

TEST(AnswerReader, TakesTheUsageThatComesWithTheLastChoice) {
  RequestRecord record;
  AnswerReader reader(record);
  reader.Push("data: {\"usage\": {\"completion_tokens\": 6}, \"choices\": [{\"delta\": {}}]}\n\n",
              1.0);
  EXPECT_EQ(record.tokens(), 6);
  EXPECT_EQ(record.events, 1);
}

RequestFailure FailureOf(const std::string& bytes) {
  RequestRecord record;
  AnswerReader reader(record);
  reader.Push(bytes, 1.0);
  reader.Finish();
  return record.failure.value_or(RequestFailure{});
}

TEST(AnswerReader, SaysWhatIsWrongWithAStream) {
  EXPECT_EQ(FailureOf("data: <html>\n\n").kind, "no JSON");
  EXPECT_THAT(FailureOf("data: <html>\n\n").detail, HasSubstr("<html>"));
  EXPECT_EQ(FailureOf("data: [1]\n\n").kind, "no JSON");
  EXPECT_EQ(FailureOf("data: {\"choices\": [{}\n\n").kind, "no JSON");
  EXPECT_EQ(FailureOf("").kind, "no token");
  EXPECT_EQ(FailureOf("data: {\"choices\": []}\n\ndata: [DONE]\n\n").kind, "no token");
  const RequestFailure error = FailureOf(
      Event("a") + "data: {\"error\": {\"code\": 500, \"message\": \"out of pages\"}}\n\n");
  EXPECT_EQ(error.kind, "error of the server");
  EXPECT_EQ(error.detail, "out of pages");
  EXPECT_EQ(FailureOf("data: {\"error\": \"busy\"}\n\n").detail, "busy");
  EXPECT_EQ(FailureOf("data: {\"error\": {}}\n\n").kind, "error of the server");
}

}  // namespace
}  // namespace lockstep
