// What becomes of requests: their texts, refusals, errors, cancelling.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "tests/unit/serving/engine_loop_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// One of 8 clients: what it expects of each request, whether it lets it end or cancels it.
void SubmitAndCancel(EngineLoop& loop, const TextRequest& request,
                     const std::map<std::size_t, std::string>& alone, unsigned chance) {
  const auto outcome = std::make_shared<RequestOutcome>();
  const Admission admission = loop.Submit(request, outcome);
  ASSERT_TRUE(admission);
  (void)loop.statistics();
  const bool cancels = chance % 3 == 0;
  if (cancels) {
    if (chance % 2 == 0) outcome->WaitForText();
    loop.Cancel(admission.ticket);
    for (const auto& [sample, text] : outcome->streamed())
      EXPECT_TRUE(alone.at(sample).starts_with(text)) << text;
    return;
  }
  outcome->Wait();
  EXPECT_EQ(outcome->error(), "");
  EXPECT_EQ(outcome->texts(), alone);
  for (const auto& [sample, text] : outcome->streamed()) EXPECT_EQ(text, alone.at(sample));
}

TEST_F(EngineLoopTest, GivesManyThreadsThatSubmitAndCancelTheTextsThatRequestsHaveAlone) {
  constexpr std::uint64_t kThreads = 8, kRequests = 20;
  std::vector<std::map<std::size_t, std::string>> alone;
  alone.reserve(kThreads * kRequests);
  for (std::uint64_t seed = 0; seed < kThreads * kRequests; ++seed)
    alone.push_back(Alone(Make(seed)));
  Open();
  Serve([&] {
    std::vector<std::jthread> clients;
    clients.reserve(kThreads);
    for (std::uint64_t client = 0; client < kThreads; ++client)
      clients.emplace_back([&, client] {
        std::minstd_rand random(static_cast<unsigned>(client + 1));
        for (std::uint64_t i = client * kRequests; i < (client + 1) * kRequests; ++i)
          SubmitAndCancel(*loop_, Make(i), alone[i], static_cast<unsigned>(random()));
      });
  });
  const LoopStatistics statistics = loop_->statistics();
  EXPECT_EQ(statistics.accepted, kThreads * kRequests);
  EXPECT_EQ(statistics.completed + statistics.cancelled, kThreads * kRequests);
  EXPECT_GT(statistics.cancelled, 0);
  EXPECT_EQ(statistics.queued + statistics.in_flight, 0);
  EXPECT_EQ(statistics.engine.pages_used, 0);
  EXPECT_TRUE(engine_.idle());
}

TEST_F(EngineLoopTest, RefusesWhatIsMoreThanItMayHold) {
  Open(2);
  const auto first = Submit(Make(1)), second = Submit(Make(2));
  const auto third = std::make_shared<RequestOutcome>();
  EXPECT_EQ(loop_->Submit(Make(3), third).refusal, Refusal::kFull);
  EXPECT_EQ(loop_->statistics().refused, 1);
  EXPECT_EQ(loop_->statistics().queued, 2);
  loop_->Drain();
  loop_->Run();
  EXPECT_TRUE(first->ended() && second->ended());
  EXPECT_FALSE(third->ended());
}

TEST_F(EngineLoopTest, HasRoomForTheNextOneWhenASinkHearsOfTheEnd) {
  Open(1);
  const auto sink = std::make_shared<Meddler>();
  std::shared_ptr<RequestOutcome> next;
  Refusal before_the_end = Refusal::kNone;
  sink->on_text = [&] { before_the_end = loop_->Submit(Make(3), sink).refusal; };
  sink->on_end = [&] {
    next = Submit(Make(2));
    loop_->Drain();
  };
  EXPECT_TRUE(loop_->Submit(Make(1), sink));
  loop_->Run();
  EXPECT_EQ(before_the_end, Refusal::kFull);
  ASSERT_NE(next, nullptr);
  EXPECT_TRUE(next->ended());
}

TEST_F(EngineLoopTest, SaysWhatIsWrongWithARequestAndGoesOn) {
  Open();
  TextRequest request = Make(1);
  request.n = -1;
  const auto bad = Submit(request), good = Submit(Make(2));
  loop_->Drain();
  loop_->Run();
  EXPECT_THAT(bad->error(), HasSubstr("n is -1"));
  EXPECT_EQ(bad->code(), ExitCode::kBadInput);
  EXPECT_EQ(good->error(), "");
  EXPECT_EQ(loop_->statistics().failed, 1);
  EXPECT_EQ(loop_->statistics().completed, 1);
}

TEST_F(EngineLoopTest, SaysThatARequestCameToNothing) {
  Open();
  self_.damaged = true;
  const auto outcome = Submit(Make(1));
  loop_->Drain();
  loop_->Run();
  EXPECT_THAT(outcome->error(), HasSubstr("not numbers"));
  EXPECT_EQ(loop_->statistics().failed, 1);
}

TEST_F(EngineLoopTest, EndsTheRequestOfASinkThatThrowsAndNoOther) {
  const auto alone = Alone(Make(2));
  for (const std::uint64_t kind : {0u, 2u, 3u, 4u}) {
    Open();
    const auto broken = std::make_shared<Meddler>();
    broken->on_text = [] { throw std::runtime_error("broken pipe"); };
    ASSERT_TRUE(loop_->Submit(Make(kind, 40), broken));  // longer than the other one
    const auto good = Submit(Make(2));
    loop_->Drain();
    loop_->Run();
    EXPECT_EQ(good->texts(), alone) << kind;
    EXPECT_FALSE(broken->ended()) << kind;
    EXPECT_EQ(loop_->statistics().failed, 1) << kind;
    EXPECT_EQ(loop_->statistics().engine.pages_used, 0) << kind;
    EXPECT_TRUE(engine_.idle()) << kind;
  }
}

TEST_F(EngineLoopTest, GoesOnWhenTheLastCallThrowsWhateverItIs) {
  Open();
  const auto good = std::make_shared<Meddler>(), bad = std::make_shared<Meddler>();
  good->on_end = [] { throw 42; };
  bad->on_end = [] { throw std::runtime_error("broken pipe"); };
  ASSERT_TRUE(loop_->Submit(Make(1), good));
  TextRequest wrong = Make(1);
  wrong.n = -1;
  ASSERT_TRUE(loop_->Submit(wrong, bad));
  const auto other = Submit(Make(2));
  loop_->Drain();
  loop_->Run();
  EXPECT_EQ(other->error(), "");
  EXPECT_EQ(loop_->statistics().completed, 2);
  EXPECT_EQ(loop_->statistics().failed, 1);
}

TEST_F(EngineLoopTest, EndsAllThatItHasAcceptedWhenItDrains) {
  Open();
  Outcomes outcomes;
  outcomes.reserve(20);
  for (std::uint64_t i = 0; i < 20; ++i) outcomes.push_back(Submit(Make(i)));
  loop_->Drain();
  EXPECT_EQ(loop_->Submit(Make(1), outcomes[0]).refusal, Refusal::kClosed);
  loop_->Run();
  for (const auto& outcome : outcomes) EXPECT_EQ(outcome->error(), "");
  EXPECT_EQ(loop_->statistics().completed, 20);
  EXPECT_EQ(loop_->Submit(Make(1), outcomes[0]).refusal, Refusal::kClosed);
}

TEST_F(EngineLoopTest, TellsEverybodyWhenItIsAbortedAndLeavesTheEngineIdle) {
  Open();
  const auto first = std::make_shared<Meddler>();
  first->on_text = [&] { loop_->Abort(); };
  ASSERT_TRUE(loop_->Submit(Make(0, 50), first));
  Outcomes others;
  others.reserve(19);
  for (std::uint64_t i = 1; i < 20; ++i) others.push_back(Submit(Make(i, 50)));
  loop_->Run();
  EXPECT_EQ(first->code(), ExitCode::kInterrupted);
  for (const auto& other : others) EXPECT_EQ(other->code(), ExitCode::kInterrupted);
  EXPECT_EQ(loop_->statistics().failed, 20);
  EXPECT_EQ(loop_->statistics().in_flight, 0);
  EXPECT_EQ(loop_->statistics().engine.pages_used, 0);
  EXPECT_TRUE(engine_.idle());
}

TEST_F(EngineLoopTest, NeverBeginsWhatIsCancelledBefore) {
  Open();
  const auto outcome = std::make_shared<RequestOutcome>();
  const Admission admission = loop_->Submit(Make(1), outcome);
  loop_->Cancel(admission.ticket);
  loop_->Cancel(admission.ticket);
  loop_->Cancel(admission.ticket + 1);
  loop_->Drain();
  loop_->Run();
  EXPECT_EQ(self_.broadcasts, 0);
  EXPECT_FALSE(outcome->ended());
  EXPECT_EQ(outcome.use_count(), 1) << "the loop has let go of it";
  EXPECT_EQ(loop_->statistics().cancelled, 1);
}

TEST_F(EngineLoopTest, EndsBeforeTheNextStepWhatASinkCancels) {
  Open();
  const auto outcome = std::make_shared<Meddler>();
  const Admission admission = loop_->Submit(Make(0, 50), outcome);
  int calls = 0;
  outcome->on_text = [&] {
    ++calls;
    loop_->Cancel(admission.ticket);
  };
  loop_->Drain();
  loop_->Run();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(outcome->ended());
  EXPECT_EQ(loop_->statistics().cancelled, 1);
}

}  // namespace
}  // namespace lockstep
