#include "core/timing/phases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

std::int64_t g_now = 0;
std::int64_t Now() { return g_now; }

struct Heard : PhaseObserver {
  void OnSpan(const PhaseSpan& span) override { spans.push_back(span); }
  void OnStep(const StepTimes& step) override { steps.push_back(step); }
  void OnRequest(const RequestTime& moment) override { requests.push_back(moment); }
  std::vector<PhaseSpan> spans;
  std::vector<StepTimes> steps;
  std::vector<RequestTime> requests;
};

std::int64_t In(const StepTimes& step, Phase phase) {
  return step.phases[static_cast<std::size_t>(phase)];
}

std::int64_t Sum(const StepTimes& step) {
  return std::accumulate(step.phases.begin(), step.phases.end(), std::int64_t{0});
}

class Phases : public testing::Test {
 protected:
  void SetUp() override { g_now = 1000; }
  static void Pass(std::int64_t nanoseconds) { g_now += nanoseconds; }
  static void Do(Phase phase, std::int64_t nanoseconds) {
    const ScopedPhase doing(phase);
    Pass(nanoseconds);
  }

  Heard heard_;
};

TEST_F(Phases, CountEachMomentForTheInnermost) {
  const PhaseWatch watch(heard_, Now);
  BeginStep();
  NameStep(7, 3);
  Pass(1);
  {
    const ScopedPhase sum(Phase::kAllReduce);
    Pass(10);
    Do(Phase::kWaiting, 100);
    Pass(20);
  }
  Do(Phase::kProducts, 1000);
  Pass(2);
  EndStep(NextStep::kLater);
  ASSERT_EQ(heard_.steps.size(), 1u);
  const StepTimes& step = heard_.steps[0];
  EXPECT_EQ(step.step, 7);
  EXPECT_EQ(step.tokens, 3);
  EXPECT_EQ(step.begin, 1000);
  EXPECT_EQ(step.end, 1000 + 1133);
  EXPECT_EQ(In(step, Phase::kAllReduce), 30);
  EXPECT_EQ(In(step, Phase::kWaiting), 100);
  EXPECT_EQ(In(step, Phase::kProducts), 1000);
  EXPECT_EQ(In(step, Phase::kOther), 3);
  EXPECT_EQ(Sum(step), step.end - step.begin);
}

TEST_F(Phases, AreSpansWithAllThatIsWithinThem) {
  const PhaseWatch watch(heard_, Now);
  {
    const ScopedPhase sum(Phase::kAllReduce);
    Pass(10);
    Do(Phase::kWaiting, 100);
  }
  ASSERT_EQ(heard_.spans.size(), 2u);
  EXPECT_EQ(heard_.spans[0].phase, Phase::kWaiting);
  EXPECT_EQ(heard_.spans[0].begin, 1010);
  EXPECT_EQ(heard_.spans[0].end, 1110);
  EXPECT_EQ(heard_.spans[1].phase, Phase::kAllReduce);
  EXPECT_EQ(heard_.spans[1].begin, 1000);
  EXPECT_EQ(heard_.spans[1].end, 1110);
}

TEST_F(Phases, WaitForTheNextStepWithinIt) {
  const PhaseWatch watch(heard_, Now);
  Do(Phase::kWaiting, 50);  // for the first step, which begins with its message
  NameStep(1, 1);
  Do(Phase::kProducts, 5);
  EndStep(NextStep::kFollows);
  Do(Phase::kWaiting, 30);
  NameStep(2, 1);
  Do(Phase::kProducts, 6);
  EndStep(NextStep::kFollows);
  ASSERT_EQ(heard_.steps.size(), 2u);
  EXPECT_EQ(Sum(heard_.steps[0]), 5);
  EXPECT_EQ(heard_.steps[1].begin, heard_.steps[0].end);
  EXPECT_EQ(In(heard_.steps[1], Phase::kWaiting), 30);
  EXPECT_EQ(Sum(heard_.steps[1]), 36);
}

TEST_F(Phases, GoOnInAStepThatHasFurtherQuestions) {
  const PhaseWatch watch(heard_, Now);
  NameStep(1, 1);
  Do(Phase::kProducts, 5);
  EndStep(NextStep::kFollows);
  Do(Phase::kWaiting, 4);
  Do(Phase::kSampling, 3);
  EndStep(NextStep::kFollows);
  ASSERT_EQ(heard_.steps.size(), 2u);
  EXPECT_EQ(heard_.steps[1].begin, heard_.steps[0].begin);
  EXPECT_EQ(Sum(heard_.steps[1]), 12);
  NameStep(2, 1);
  EndStep(NextStep::kFollows);
  EXPECT_EQ(Sum(heard_.steps[2]), 0) << "what was the first step's is not the second one's";
}

TEST_F(Phases, LeaveOutWhatIsNoStep) {
  const PhaseWatch watch(heard_, Now);
  NameStep(1, 1);
  EndStep(NextStep::kFollows);
  Pass(500);
  DropStep();
  Pass(500);
  NameStep(2, 1);
  Pass(7);
  EndStep(NextStep::kLater);
  Pass(500);
  BeginStep();  // and nothing comes of it
  Pass(500);
  BeginStep();
  Pass(8);
  NameStep(3, 1);
  EndStep(NextStep::kLater);
  EXPECT_EQ(Sum(heard_.steps[1]), 7);
  EXPECT_EQ(Sum(heard_.steps[2]), 8);
}

TEST_F(Phases, AreHeardByAllThatWatch) {
  Heard other;
  const PhaseWatch watch(heard_, Now);
  std::optional<PhaseWatch> second(std::in_place, other);
  Do(Phase::kProducts, 5);
  second.reset();
  Do(Phase::kProducts, 5);
  EXPECT_EQ(heard_.spans.size(), 2u);
  EXPECT_EQ(other.spans.size(), 1u);
}

TEST_F(Phases, HaveTheMomentsOfRequestsBesideThem) {
  const PhaseWatch watch(heard_, Now);
  NoteRequest(7, RequestMoment::kArrived, 12, 900);
  Pass(5);
  NoteRequest(7, RequestMoment::kEnded, 3);
  ASSERT_EQ(heard_.requests.size(), 2u);
  EXPECT_EQ(heard_.requests[0].request, 7);
  EXPECT_EQ(heard_.requests[0].moment, RequestMoment::kArrived);
  EXPECT_EQ(heard_.requests[0].at, 900) << "as was said";
  EXPECT_EQ(heard_.requests[0].tokens, 12);
  EXPECT_EQ(heard_.requests[1].moment, RequestMoment::kEnded);
  EXPECT_EQ(heard_.requests[1].at, 1005) << "now";
  EXPECT_EQ(heard_.requests[1].tokens, 3);
}

TEST_F(Phases, AreNobodysWhereNobodyWatches) {
  const auto go = [] {
    NoteRequest(1, RequestMoment::kArrived);
    BeginStep();
    NameStep(1, 1);
    Do(Phase::kProducts, 5);
    EndStep(NextStep::kFollows);
    DropStep();
  };
  go();
  const PhaseWatch watch(heard_, Now);
  std::thread(go).join();  // of another thread
  EXPECT_TRUE(heard_.spans.empty());
  EXPECT_TRUE(heard_.steps.empty());
  EXPECT_TRUE(heard_.requests.empty());
}

TEST_F(Phases, MayBeWatchedFromTheirMiddleOn) {
  std::optional<PhaseWatch> watch;
  {
    const ScopedPhase products(Phase::kProducts);
    watch.emplace(heard_, Now);
    EndStep(NextStep::kLater);  // of a step that nobody has seen begin
    const ScopedPhase attention(Phase::kAttention);
    watch.reset();
  }
  EXPECT_TRUE(heard_.spans.empty());
  EXPECT_TRUE(heard_.steps.empty());
}

TEST(PhaseNames, AreAllKnown) {
  for (std::size_t i = 0; i < kPhaseCount; ++i) EXPECT_NE(Name(static_cast<Phase>(i)), "?") << i;
}

}  // namespace
}  // namespace lockstep
