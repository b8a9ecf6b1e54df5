// What the loop does between steps and while it idles, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/heartbeat.h"
#include "tests/unit/serving/engine_loop_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class EngineLoopWorkTest : public EngineLoopTest {
 protected:
  // While a text is being written, something asks for work, and then somebody for a second text: in
  // which order all that happens, as far as the work notes itself in `order_`.
  std::vector<std::string> OrderWhere(const std::function<void()>& asks) {
    const auto first = std::make_shared<Meddler>(), second = std::make_shared<Meddler>();
    Open();
    first->on_text = [&, asked = false]() mutable {
      if (std::exchange(asked, true)) return;
      asks();
      EXPECT_TRUE(loop_->Submit(Make(6), second));
      loop_->Drain();
    };
    first->on_end = [&] { order_.emplace_back("first"); };
    second->on_end = [&] { order_.emplace_back("second"); };
    EXPECT_TRUE(loop_->Submit(Make(1), first));
    loop_->Run();
    return order_;
  }

  std::vector<std::string> order_;
};

TEST_F(EngineLoopWorkTest, IsDoneBetweenWhatHasBegunAndWhatHasNot) {
  const auto order = OrderWhere([&] {
    loop_->WhenIdle({.work = [&] { order_.emplace_back("work"); }});
    loop_->WhenIdle({.work = [&] { order_.emplace_back("more"); }});
  });
  EXPECT_THAT(order, testing::ElementsAre("first", "work", "more", "second"));
}

// What has waited for the work goes on without it.
TEST_F(EngineLoopWorkTest, IsGivenUpWhereItsTimeHasPassedWhileOthersWereInFlight) {
  const auto order = OrderWhere([&] {
    const auto past = std::chrono::steady_clock::now();
    loop_->WhenIdle({.work = [] { ADD_FAILURE() << "too late"; },
                     .until = past,
                     .on_late = [&] { order_.emplace_back("late"); }});
    loop_->WhenIdle({.work = [&] { order_.emplace_back("work"); }});
    loop_->WhenIdle({.work = [] { ADD_FAILURE() << "too late"; }, .until = past});
  });
  EXPECT_THAT(order, testing::ElementsAre("late", "first", "work", "second"));
}

TEST_F(EngineLoopTest, DoesWorkThatIsLateWhereNothingIsInFlight) {
  bool done = false;
  Open();
  loop_->WhenIdle({.work = [&] { done = true; }, .until = std::chrono::steady_clock::now()});
  loop_->Drain();
  loop_->Run();
  EXPECT_TRUE(done);
}

TEST_F(EngineLoopTest, IsWokenForWorkAndDropsItWhenItIsAborted) {
  const auto held = std::make_shared<int>();
  Open();
  Serve([&] {
    std::atomic<bool> done = false;
    loop_->WhenIdle({.work = [&] { done = true; }});
    while (!done) std::this_thread::yield();
    loop_->WhenIdle({.work = [&] { loop_->Abort(); }});
    loop_->WhenIdle({.work = [held] { ADD_FAILURE() << "after the end"; }});
  });
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(EngineLoopTest, IsWokenFromItsIdlenessByAnotherThread) {
  const auto start = std::chrono::steady_clock::now();
  Open();
  Serve([&] {
    for (std::uint64_t i = 0; i < 40; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // it has nothing to do by then
      Submit(Make(i))->Wait();
    }
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 10) << "half a second for each, where it looks only when it beats";
}

TEST_F(EngineLoopTest, IsAbortedByAnotherThreadWhileItIdles) {
  Open();
  const std::jthread other([&] { loop_->Abort(); });
  loop_->Run();
  EXPECT_EQ(loop_->Submit(Make(1), std::make_shared<RequestOutcome>()).refusal, Refusal::kClosed);
}

TEST_F(EngineLoopTest, AsksASourceBeforeEachStepAndWhileItIdles) {
  Outcomes outcomes;
  int asked = 0;
  Open();
  loop_->Run([&] {
    if (outcomes.size() < 5 && ++asked % 5 == 1) outcomes.push_back(Submit(Make(outcomes.size())));
    if (outcomes.size() == 5) loop_->Drain();
  });
  ASSERT_EQ(outcomes.size(), 5u);
  for (const auto& outcome : outcomes) EXPECT_EQ(outcome->error(), "");
}

TEST_F(EngineLoopTest, EndsWithWhatASourceThrows) {
  Open();
  const auto outcome = Submit(Make(1));
  EXPECT_THROW(loop_->Run([] { throw EnvironmentError("the disk is full"); }), Error);
  EXPECT_EQ(outcome->error(), "the disk is full");
}

TEST_F(EngineLoopTest, KeepsTheOtherRanksWaitingWhileItIdles) {
  self_.set_deadline_seconds(0.02);
  Open();
  Serve([&] {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (self_.broadcasts < 3 && std::chrono::steady_clock::now() < limit)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  EXPECT_GE(self_.broadcasts, 3);
}

TEST_F(EngineLoopTest, KeepsTheOtherRanksWaitingInLongWorkBeforeAndAfterItRuns) {
  self_.set_deadline_seconds(0.004);
  Open();
  const auto work = [&](int broadcasts) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (self_.broadcasts < broadcasts && std::chrono::steady_clock::now() < limit) Heartbeat();
    EXPECT_EQ(self_.broadcasts, broadcasts);
  };
  work(2);
  loop_->Drain();
  loop_->Run();
  work(4);
  engine_.Shutdown();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  Heartbeat();
  EXPECT_EQ(self_.broadcasts, 5) << "nobody listens after the shutdown";
}

TEST_F(EngineLoopTest, TellsEverybodyWhenTheEngineFails) {
  Open();
  const Outcomes outcomes = {Submit(Make(1)), Submit(Make(2)), Submit(Make(4))};
  self_.most_broadcasts = 2;
  EXPECT_THROW(loop_->Run(), CollectiveError);
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome->code(), ExitCode::kRankFailure);
    EXPECT_EQ(outcome->error(), "broadcast: rank 1 is gone");
  }
  EXPECT_EQ(loop_->statistics().failed, 3);
  EXPECT_EQ(loop_->Submit(Make(1), outcomes[0]).refusal, Refusal::kClosed);
}

// A sink's long work beats, and so is the first to meet a peer that is gone.
class EngineLoopFailureTest : public EngineLoopTest {
 protected:
  void ExpectFailure(const std::function<void()>& work_of_a_sink) {
    self_.set_deadline_seconds(0.004);
    Open();
    const auto sink = std::make_shared<Meddler>();
    sink->on_text = [&] {
      self_.most_broadcasts = 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      work_of_a_sink();
    };
    ASSERT_TRUE(loop_->Submit(Make(1), sink));
    EXPECT_THROW(loop_->Run(), CollectiveError);
    EXPECT_EQ(sink->code(), ExitCode::kRankFailure);
  }
};

TEST_F(EngineLoopFailureTest, OfAPeerIsNotTakenForThatOfASink) { ExpectFailure(Heartbeat); }

TEST_F(EngineLoopFailureTest, OfAPeerIsNotLostInASink) {
  ExpectFailure([&] {
    EXPECT_THROW(Heartbeat(), CollectiveError);
    self_.most_broadcasts = std::numeric_limits<int>::max();  // nothing else will notice
  });
}

TEST_F(EngineLoopTest, TellsThoseWhomItHasNeverServed) {
  Open();
  const auto outcome = Submit(Make(1));
  loop_.reset();
  EXPECT_EQ(outcome->code(), ExitCode::kInterrupted);
}

TEST_F(EngineLoopTest, IsRunByTheThreadThatHasMadeItAndOnce) {
  Open();
  std::jthread([&] { EXPECT_THROW(loop_->Run(), Error); }).join();
  loop_->Drain();
  loop_->Run();
  EXPECT_THROW(loop_->Run(), Error);
}

}  // namespace
}  // namespace lockstep
