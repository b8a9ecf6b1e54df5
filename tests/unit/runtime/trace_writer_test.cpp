// A trace as viewers build it: slices that nest, on one clock.
#include "runtime/tracing/trace_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/tracing/trace_summary.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"
#include "tests/support/trace_tracks.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kStart = 1'000'000;

// A step of 1000 ns: 300 of products, 400 in a sum, 250 of these waiting; `at` on its clock.
void AddStep(RankRecording& recording, std::int64_t number, std::int64_t at) {
  const auto add = [&](Phase phase, std::int64_t begin, std::int64_t end) {
    recording.spans.push_back({.phase = phase, .begin = at + begin, .end = at + end});
  };
  add(Phase::kProducts, 100, 400);
  add(Phase::kWaiting, 400, 650);
  add(Phase::kAllReduce, 400, 800);
  StepTimes step{.step = number, .tokens = 2, .begin = at, .end = at + 1000};
  step.phases[static_cast<std::size_t>(Phase::kWaiting)] = 250;
  recording.steps.push_back(step);
}

RankTrace Rank(std::int64_t clock) {
  RankTrace rank{.host = "node \"1\"", .recording = {}, .clock = {}};
  rank.recording.begun = rank.recording.complete_from = clock;
  AddStep(rank.recording, 1, clock + kStart);
  AddStep(rank.recording, 2, clock + kStart + 1000);
  rank.recording.ended = clock + kStart + 3000;
  rank.clock.before = {.at = clock, .offset = clock, .bound = clock == 0 ? 0 : 1500};
  rank.clock.after = {.at = rank.recording.ended, .offset = clock, .bound = 0};
  return rank;
}

struct Written {
  std::string text;
  TraceExtent extent;
};

Written Write(std::vector<RankTrace> ranks) {
  Written written;
  written.extent =
      WriteTrace(std::move(ranks), [&](std::string_view piece) { written.text += piece; });
  return written;
}

TEST(TraceWriter, PutsTheRanksOnOneClock) {
  const Written written = Write({Rank(0), Rank(77'000'000'000)});
  EXPECT_EQ(written.extent.steps, 2);
  const TraceTracks tracks = TracksOf(written.text);
  EXPECT_THAT(tracks.faults, IsEmpty());
  ASSERT_EQ(tracks.ranks.size(), 2u);
  const auto& first = tracks.ranks.at("rank 0 on node \"1\"");
  const auto& second = tracks.ranks.at("rank 1 on node \"1\"");
  ASSERT_EQ(first.size(), 8u);
  ASSERT_EQ(second.size(), 8u);
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].name, second[i].name);
    EXPECT_EQ(first[i].begin, second[i].begin) << first[i].name;
    EXPECT_EQ(first[i].end, second[i].end) << first[i].name;
  }
  EXPECT_EQ(tracks.about.at("clock_bound_us"), 1.5);
  EXPECT_EQ(tracks.about.at("ranks"), 2);
  EXPECT_EQ(tracks.about.at("computes_on"), "host");
}

TEST(TraceWriter, PutsPhasesIntoStepsAndEachOther) {
  const TraceTracks tracks = TracksOf(Write({Rank(0)}).text);
  const auto& track = tracks.ranks.begin()->second;
  ASSERT_EQ(track.size(), 8u);
  const std::vector<std::pair<std::string, int>> expected{
      {"step", 0}, {"products", 1}, {"all-reduce", 1}, {"waiting", 2}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(track[i].name, expected[i].first);
    EXPECT_EQ(track[i].depth, expected[i].second) << track[i].name;
  }
  EXPECT_EQ(track[0].begin, 0.0) << "the trace begins with the first step";
  EXPECT_EQ(track[0].end, 1.0);
  EXPECT_EQ(track[0].args.at("step"), 1);
  EXPECT_EQ(track[0].args.at("tokens"), 2);
  EXPECT_EQ(track[0].args.at("waiting us"), 0.25);
  EXPECT_NEAR(ShareOfSteps(track, "all-reduce"), 0.15, 1e-9);
  EXPECT_NEAR(ShareOfSteps(track, "waiting"), 0.25, 1e-9);
}

// Times of the same nanosecond are where steps follow each other, and where a clock is coarse.
TEST(TraceWriter, NestsWhatHasTheSameTimes) {
  RankTrace rank = Rank(0);
  rank.recording.spans = {{.phase = Phase::kWaiting, .begin = kStart, .end = kStart + 1000},
                          {.phase = Phase::kBroadcast, .begin = kStart, .end = kStart + 1000},
                          {.phase = Phase::kPlan, .begin = kStart + 1000, .end = kStart + 1000}};
  const TraceTracks tracks = TracksOf(Write({rank}).text);
  EXPECT_THAT(tracks.faults, IsEmpty());
  const auto& track = tracks.ranks.begin()->second;
  ASSERT_EQ(track.size(), 5u);
  EXPECT_EQ(track[1].name, "broadcast");
  EXPECT_EQ(track[2].name, "waiting");
  EXPECT_EQ(track[2].depth, 2);
  EXPECT_EQ(track[3].name, "step");
  EXPECT_EQ(track[3].depth, 0);
  EXPECT_EQ(track[4].name, "plan");
}

TEST(TraceWriter, LeavesOutOnAllRanksWhatOneHasDropped) {
  RankTrace short_one = Rank(5'000);
  short_one.recording.dropped = 3;
  short_one.recording.complete_from = 5'000 + kStart + 500;
  const Written written = Write({Rank(0), short_one});
  const TraceTracks tracks = TracksOf(written.text);
  EXPECT_THAT(tracks.faults, IsEmpty());
  for (const auto& [name, track] : tracks.ranks) {
    ASSERT_FALSE(track.empty()) << name;
    for (const TraceSlice& slice : track)
      if (slice.name == "step") {
        EXPECT_EQ(slice.args.at("step"), 2) << name;
      }
  }
  EXPECT_NEAR(written.extent.dropped_seconds, 1e-9 * (kStart + 500), 1e-12);
  EXPECT_GT(tracks.about.at("dropped_seconds").get<double>(), 0.0);
}

TEST(TraceWriter, GivesEachRequestATrackOfItsOwn) {
  using enum RequestMoment;
  RankTrace rank = Rank(0);
  for (const std::int64_t request : {1, 2})
    rank.recording.requests.insert(
        rank.recording.requests.end(),
        {{.request = request, .moment = kArrived, .at = kStart - 100, .tokens = 4},
         {.request = request, .moment = kBegun, .at = kStart + 10},
         {.request = request, .moment = kFirstToken, .at = kStart + 900},
         {.request = request, .moment = kEnded, .at = kStart + 1900, .tokens = 2}});
  const TraceTracks tracks = TracksOf(Write({rank}).text);
  EXPECT_THAT(tracks.faults, IsEmpty());
  ASSERT_EQ(tracks.requests.size(), 2u);
  for (const auto& [id, life] : tracks.requests) {
    ASSERT_EQ(life.size(), 4u);
    EXPECT_THAT(life[0].name, testing::StartsWith("request "));
    EXPECT_EQ(life[0].args.at("prompt_tokens"), 4);
    EXPECT_EQ(life[0].args.at("new_tokens"), 2);
    EXPECT_EQ(life[1].name, "queued");
    EXPECT_EQ(life[2].name, "prompt");
    EXPECT_EQ(life[3].name, "decoding");
    EXPECT_EQ(life[3].begin, life[2].end);
    EXPECT_EQ(life[3].depth, 1);
  }
}

TEST(TraceWriter, SaysThatADeviceComputes) {
  RankTrace rank = Rank(0);
  rank.recording.computes_on_device = true;
  EXPECT_EQ(TracksOf(Write({rank}).text).about.at("computes_on"), "device");
}

TEST(TraceWriter, WritesATraceOfNothing) {
  RankTrace rank{.host = "here", .recording = {}, .clock = {}};
  const Written written = Write({rank});
  EXPECT_EQ(written.extent.steps, 0);
  EXPECT_THAT(TracksOf(written.text).faults, IsEmpty());
}

class ATraceSummary : public testing::Test {
 protected:
  TraceSummary Of(const std::string& text) const {
    WriteText(file_, text);
    return ReadTrace(file_);
  }
  std::string Fault(const std::string& text) const {
    return MessageOf([&] { Of(text); });
  }

  TemporaryFolder folder_;
  std::string file_ = folder_ / "trace.json";
};

TEST_F(ATraceSummary, CountsEachMomentForTheInnermostPhase) {
  const TraceSummary summary = Of(Write({Rank(0), Rank(500)}).text);
  ASSERT_EQ(summary.ranks.size(), 2u);
  for (const RankTimes& rank : summary.ranks) {
    EXPECT_EQ(rank.steps, 2);
    EXPECT_EQ(rank.tokens, 4);
    EXPECT_NEAR(rank.step_seconds, 2e-6, 1e-12);
    const auto in = [&](Phase phase) { return rank.seconds[static_cast<std::size_t>(phase)]; };
    EXPECT_NEAR(in(Phase::kProducts), 6e-7, 1e-12);
    EXPECT_NEAR(in(Phase::kWaiting), 5e-7, 1e-12);
    EXPECT_NEAR(in(Phase::kAllReduce), 3e-7, 1e-12);
    EXPECT_NEAR(in(Phase::kOther), 6e-7, 1e-12);
  }
  const std::string text = TraceSummaryText(summary, "t.json");
  EXPECT_THAT(text, HasSubstr("t.json: 2 steps of 4 tokens on 2 ranks"));
  EXPECT_THAT(text, HasSubstr("the hosts' clocks agree within 1.5 us"));
  EXPECT_THAT(text, HasSubstr("all-reduce                 15.0 %"));
  const Json json = ParseJson(TraceSummaryJson(summary), "json");
  EXPECT_EQ(json["ranks"][1]["steps"], 2);
  EXPECT_NEAR(json["ranks"][1]["seconds"]["waiting"].get<double>(), 5e-7, 1e-12);
}

TEST_F(ATraceSummary, SaysWhatTheTraceLacks) {
  RankTrace rank = Rank(0);
  rank.recording.computes_on_device = true;
  rank.recording.dropped = 1;
  rank.recording.complete_from = kStart + 500;
  const std::string text = TraceSummaryText(Of(Write({rank}).text), "t.json");
  EXPECT_THAT(text, HasSubstr("there was no room for the first 0.00 s"));
  EXPECT_THAT(text, HasSubstr("the ranks compute on devices"));
}

TEST_F(ATraceSummary, RefusesWhatIsNoTrace) {
  for (const char* text :
       {"", "{", "[]", "{}", "{\"otherData\": {}}", "{\"otherData\": 3}",
        "{\"otherData\": {\"program\": 3}}",
        R"({"otherData": {"program": "x"}, "traceEvents": [{"ph": 1}]})",
        R"({"otherData": {"program": "x"}, "traceEvents": [{"ph": "B", "pid": 1e300, "ts": 1}]})",
        R"({"otherData": {"program": "x"}, "traceEvents": [{"ph": "B", "pid": 1}]})",
        R"({"otherData": {"program": "x"}, "traceEvents":
            [{"ph": "B", "pid": 1, "ts": 1, "name": "step", "args": {"tokens": -1}}]})",
        R"({"otherData": {"program": "x"}, "traceEvents": [{"ph": "E", "pid": 1, "ts": 1}]})",
        R"({"otherData": {"program": "x"}, "traceEvents": [{"ph": "B", "pid": 1, "ts": "a"}]})",
        R"({"otherData": {"program": "x"}, "traceEvents": [{"ph": "X", "pid": 1, "ts": 1}]})",
        R"({"otherData": {"program": "x"}, "traceEvents":
            [{"ph": "e", "pid": 1, "ts": 1, "id2": {"local": "0x1"}, "name": "queued"}]})"})
    EXPECT_THAT(Fault(text), HasSubstr("trace.json: ")) << text;
  EXPECT_THAT(Fault("{}"),
              HasSubstr("trace.json: is no trace of lockstep's: \"otherData\" is missing;"));
  EXPECT_THAT(Fault("{\"a\": x"), HasSubstr("is no trace of lockstep's: no JSON at byte 7; "));
  EXPECT_THAT(MessageOf([&] { ReadTrace(folder_ / "none.json"); }), HasSubstr("no such file"));
}

}  // namespace
}  // namespace lockstep
