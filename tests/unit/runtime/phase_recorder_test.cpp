// What a rank keeps for a trace: the end of all that it did, in memory that does not grow.
#include "runtime/tracing/phase_recorder.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

PhaseSpan SpanAt(std::int64_t begin, Phase phase = Phase::kProducts) {
  return {.phase = phase, .begin = begin, .end = begin + 5};
}

TEST(PhaseRecorder, KeepsAllThereIsRoomFor) {
  PhaseRecorder recorder({.spans = 4, .steps = 4, .requests = 4});
  recorder.OnSpan(SpanAt(10));
  recorder.OnSpan(SpanAt(20, Phase::kWaiting));
  recorder.OnStep({.step = 1, .tokens = 3, .begin = 5, .end = 30});
  recorder.OnRequest({.request = 7, .moment = RequestMoment::kArrived, .at = 1, .tokens = 3});
  const RankRecording all = recorder.recording();
  ASSERT_EQ(all.spans.size(), 2u);
  EXPECT_EQ(all.spans[1].phase, Phase::kWaiting);
  EXPECT_EQ(all.spans[1].begin, 20);
  ASSERT_EQ(all.steps.size(), 1u);
  EXPECT_EQ(all.steps[0].tokens, 3);
  ASSERT_EQ(all.requests.size(), 1u);
  EXPECT_EQ(all.requests[0].request, 7);
  EXPECT_EQ(all.dropped, 0);
  EXPECT_EQ(all.complete_from, all.begun);
  EXPECT_GE(all.ended, all.begun);
  EXPECT_FALSE(all.computes_on_device);
}

TEST(PhaseRecorder, KeepsTheEndAndSaysFromWhenOnItIsComplete) {
  PhaseRecorder recorder({.spans = 3, .steps = 2, .requests = 2});
  // Behind the beginning of the recording, as real ones are.
  const std::int64_t start = SteadyNanoseconds() + 1'000'000;
  for (std::int64_t i = 0; i < 10; ++i) recorder.OnSpan(SpanAt(start + 10 * i));
  for (std::int64_t i = 0; i < 3; ++i)
    recorder.OnStep({.step = i, .begin = start + 10 * i, .end = start + 10 * i + 9});
  for (std::int64_t i = 0; i < 5; ++i) recorder.OnRequest({.request = i, .at = start + i});
  const RankRecording all = recorder.recording();
  ASSERT_EQ(all.spans.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(all.spans[i].begin, start + 10 * (7 + static_cast<std::int64_t>(i)));
  ASSERT_EQ(all.steps.size(), 2u);
  EXPECT_EQ(all.steps[0].step, 1);
  ASSERT_EQ(all.requests.size(), 2u);
  EXPECT_EQ(all.requests[0].request, 3);
  EXPECT_EQ(all.dropped, 7 + 1 + 3);
  EXPECT_EQ(all.complete_from, start + 75) << "the first span that is kept has ended";
}

TEST(PhaseRecorder, SaysFromWhenOnItsRequestsAreComplete) {
  PhaseRecorder recorder({.spans = 4, .steps = 4, .requests = 2});
  const std::int64_t start = SteadyNanoseconds() + 1'000'000;
  for (std::int64_t i = 0; i < 5; ++i) recorder.OnRequest({.request = i, .at = start + i});
  EXPECT_EQ(recorder.recording().complete_from, start + 3);
}

TEST(PhaseRecorder, TakesAStepThatGoesOnForOne) {
  PhaseRecorder recorder({.spans = 2, .steps = 2, .requests = 2});
  recorder.OnStep({.step = 1, .begin = 10, .end = 20});
  recorder.OnStep({.step = 1, .begin = 10, .end = 25});
  recorder.OnStep({.step = 1, .begin = 40, .end = 50});  // of another engine
  const RankRecording all = recorder.recording();
  ASSERT_EQ(all.steps.size(), 2u);
  EXPECT_EQ(all.steps[0].end, 25);
  EXPECT_EQ(all.steps[1].begin, 40);
}

// The decoder says so where it only tells a device what to do.
TEST(PhaseRecorder, KnowsThatADeviceComputes) {
  PhaseRecorder recorder({.spans = 2, .steps = 2, .requests = 2});
  recorder.OnSpan(SpanAt(10, Phase::kOther));
  EXPECT_TRUE(recorder.recording().computes_on_device);
  EXPECT_TRUE(recorder.recording().spans.empty());
}

TEST(RankRecordings, TravelAsBytes) {
  const RankRecording sent{.spans = {SpanAt(3)},
                           .steps = {{.step = 4, .begin = 1, .end = 9}},
                           .requests = {{.request = 5, .moment = RequestMoment::kEnded, .at = 6}},
                           .begun = 1,
                           .ended = 99,
                           .complete_from = 2,
                           .dropped = 8,
                           .computes_on_device = true};
  const RankRecording got = RecordingFrom(BytesOf(sent));
  ASSERT_EQ(got.spans.size(), 1u);
  EXPECT_EQ(got.spans[0].end, 8);
  EXPECT_EQ(got.steps.at(0).step, 4);
  EXPECT_EQ(got.requests.at(0).moment, RequestMoment::kEnded);
  EXPECT_EQ(got.begun, 1);
  EXPECT_EQ(got.ended, 99);
  EXPECT_EQ(got.complete_from, 2);
  EXPECT_EQ(got.dropped, 8);
  EXPECT_TRUE(got.computes_on_device);
}

TEST(PhaseRecorder, HasRoomForAFileThatViewersBear) {
  EXPECT_EQ(LimitsOfRank(1).spans, std::size_t{1} << 19);
  EXPECT_EQ(LimitsOfRank(8).spans, std::size_t{1} << 17);
  EXPECT_EQ(LimitsOfRank(4096).spans, std::size_t{1} << 16);
}

}  // namespace
}  // namespace lockstep
