#include "api/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace lockstep {
namespace {

using testing::ElementsAre;

// The events of a stream that comes in pieces of so many bytes.
std::vector<std::string> EventsOf(std::string_view bytes, std::size_t piece) {
  EventStream stream;
  std::vector<std::string> events;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    stream.Push(bytes.substr(at, piece));
    for (std::string_view data; stream.Next(data);) events.emplace_back(data);
  }
  return events;
}

TEST(EventStream, IsTheSameHoweverItIsCut) {
  const std::string_view bytes =
      ": ping\n\ndata: {\"a\": 1}\n\nevent: more\nid: 7\ndata:{\"b\"}\n\ndata: [DONE]\n\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece)
    EXPECT_THAT(EventsOf(bytes, piece), ElementsAre("{\"a\": 1}", "{\"b\"}", "[DONE]")) << piece;
}

TEST(EventStream, TakesEveryKindOfLineEnd) {
  for (const char* bytes : {"data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r\n"})
    for (const std::size_t piece : {1u, 2u, 3u, 100u})
      EXPECT_THAT(EventsOf(bytes, piece), ElementsAre("a", "b")) << bytes << piece;
}

TEST(EventStream, PutsLinesOfDataTogether) {
  EXPECT_THAT(EventsOf("data: one\ndata: two\n\n", 4), ElementsAre("one\ntwo"));
  EXPECT_THAT(EventsOf("data\n\ndata:\n\n", 100), ElementsAre("", ""));
}

TEST(EventStream, KnowsWhatIsUnfinished) {
  EventStream stream;
  stream.Push("data: half");
  std::string_view data;
  EXPECT_FALSE(stream.Next(data));
  EXPECT_EQ(stream.pending_bytes(), 10u);
}

}  // namespace
}  // namespace lockstep
