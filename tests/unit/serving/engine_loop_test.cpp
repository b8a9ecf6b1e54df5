#include "serving/engine_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <limits>
#include <random>
#include <thread>

#include "comm/self_communicator.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/request_outcome.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

using Outcomes = std::vector<std::shared_ptr<RequestOutcome>>;

// One rank, whose peers are gone after so many broadcasts, and whose sums may be damaged.
class FrailCommunicator : public SelfCommunicator {
 public:
  void AllReduceSum(const TensorView& x, Stream stream) override {
    SelfCommunicator::AllReduceSum(x, stream);
    if (damaged) x.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  }
  void Broadcast(Bytes& /*message*/) override {
    if (++broadcasts > most_broadcasts)
      throw CollectiveError(ExitCode::kRankFailure, "broadcast: rank 1 is gone");
  }

  std::atomic<int> broadcasts = 0;
  std::atomic<int> most_broadcasts = std::numeric_limits<int>::max();
  bool damaged = false;
};

// Does something of its own in a call.
class Meddler : public RequestOutcome {
 public:
  void OnText(std::size_t sample, std::string_view text) override {
    if (on_text) on_text();
    RequestOutcome::OnText(sample, text);
  }
  void OnResult(TextResult result) override {
    if (on_end) on_end();
    RequestOutcome::OnResult(std::move(result));
  }
  void OnError(const Error& error) override {
    if (on_end) on_end();
    RequestOutcome::OnError(error);
  }
  std::function<void()> on_text, on_end;
};

class EngineLoopTest : public testing::Test {
 protected:
  void Open(std::int64_t most_requests = EngineLoop::kMostRequests) {
    loop_.reset();
    loop_ = std::make_unique<EngineLoop>(engine_, &tokenizer_, most_requests);
  }
  // Runs the loop here, which owns the engine, and the clients on a thread of their own.
  void Serve(const std::function<void()>& clients) {
    const std::jthread thread([&] {
      clients();
      loop_->Drain();
    });
    loop_->Run();
  }
  std::shared_ptr<RequestOutcome> Submit(TextRequest request) {
    auto outcome = std::make_shared<RequestOutcome>();
    EXPECT_TRUE(loop_->Submit(std::move(request), outcome));
    return outcome;
  }

  // Of all kinds: sampled, several samples, stop strings, beams.
  static TextRequest Make(std::uint64_t seed, std::int64_t tokens = 12) {
    TextRequest request;
    for (std::uint64_t i = 0; i < 3 + seed % 5; ++i)
      request.tokens.push_back(static_cast<std::int32_t>((7 * i + seed) % 90));
    request.sampling.max_new_tokens = tokens;
    request.sampling.ignore_eos = true;
    if (seed % 5 == 4) {
      request.beams.num_beams = 3;
      return request;
    }
    request.sampling.temperature = 1.0;
    request.sampling.seed = seed;
    if (seed % 5 == 3) request.stop = {"a", "bc", "%"};
    if (seed % 5 == 2) request.n = 2;
    return request;
  }

  // As the engine gives it without a loop.
  std::map<std::size_t, std::string> Alone(const TextRequest& request) {
    std::map<std::size_t, std::string> texts;
    TextSession session(engine_, tokenizer_,
                        {.on_result = [&](std::int64_t, const TextResult& result) {
                          for (const TextSample& one : result.samples)
                            texts.emplace(texts.size(), one.text);
                        }});
    session.Submit(0, request);
    while (session.in_flight() > 0) session.Step();
    return texts;
  }

  FrailCommunicator self_;
  GoldenModel model_{SourceFolder() / "tests/golden/cases/neox_saved_single", self_, {}};
  Engine engine_{model_.decoder(), self_, {.sampled_vocab = 93}};
  Tokenizer tokenizer_ = Tokenizer::FromJson(ByteTokenizerJson(94), "tokenizer.json");
  std::unique_ptr<EngineLoop> loop_;
};

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

TEST_F(EngineLoopTest, DoesWorkBetweenWhatHasBegunAndWhatHasNot) {
  const auto first = std::make_shared<Meddler>(), second = std::make_shared<Meddler>();
  std::vector<std::string> order;
  Open();
  first->on_text = [&, asked = false]() mutable {
    if (std::exchange(asked, true)) return;
    loop_->WhenIdle({.work = [&] { order.emplace_back("work"); }});
    loop_->WhenIdle({.work = [&] { order.emplace_back("more"); }});
    EXPECT_TRUE(loop_->Submit(Make(6), second));
    loop_->Drain();
  };
  first->on_end = [&] { order.emplace_back("first"); };
  second->on_end = [&] { order.emplace_back("second"); };
  EXPECT_TRUE(loop_->Submit(Make(1), first));
  loop_->Run();
  EXPECT_THAT(order, testing::ElementsAre("first", "work", "more", "second"));
}

// What has waited for the work goes on without it.
TEST_F(EngineLoopTest, GivesWorkUpWhoseTimeHasPassedWhileOthersWereInFlight) {
  const auto first = std::make_shared<Meddler>(), second = std::make_shared<Meddler>();
  std::vector<std::string> order;
  Open();
  first->on_text = [&, asked = false]() mutable {
    if (std::exchange(asked, true)) return;
    const auto past = std::chrono::steady_clock::now();
    loop_->WhenIdle({.work = [] { ADD_FAILURE() << "too late"; },
                     .until = past,
                     .on_late = [&] { order.emplace_back("late"); }});
    loop_->WhenIdle({.work = [&] { order.emplace_back("work"); }});
    loop_->WhenIdle({.work = [] { ADD_FAILURE() << "too late"; }, .until = past});
    EXPECT_TRUE(loop_->Submit(Make(6), second));
    loop_->Drain();
  };
  first->on_end = [&] { order.emplace_back("first"); };
  second->on_end = [&] { order.emplace_back("second"); };
  EXPECT_TRUE(loop_->Submit(Make(1), first));
  loop_->Run();
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
