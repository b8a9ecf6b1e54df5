#include "bench/load/load_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

#include "bench/load/load_bench.h"
#include "core/error.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

// Answers, or not, as soon as the thread comes to it. `hold`: that many requests are kept open
// first.
class FakeTarget : public LoadTarget {
 public:
  explicit FakeTarget(boost::asio::io_context& io) : io_(io) {}

  void Send(LoadRequest request, const RunClock& clock, Done done) override {
    ++in_flight_;
    most_ = std::max(most_, in_flight_);
    RequestRecord record{.start = clock.Now()};
    record.events = request.output_tokens;
    record.latency = latency;
    if (fails) record.failure = RequestFailure{"status 503", "busy"};
    if (hangs) {
      held_.push_back(std::move(done));
      return;
    }
    boost::asio::post(io_, [this, record, done] {
      --in_flight_;
      done(record);
    });
  }
  void Cancel() override {
    for (Done& done : std::exchange(held_, {})) {
      RequestRecord record;
      record.is_cancelled = true;
      boost::asio::post(io_, [record, done] { done(record); });
    }
  }

  bool fails = false;
  bool hangs = false;
  double latency = 0.0;
  std::int64_t most() const { return most_; }

 private:
  boost::asio::io_context& io_;
  std::vector<Done> held_;
  std::int64_t in_flight_ = 0;
  std::int64_t most_ = 0;
};

class ALoadRunner : public testing::Test {
 protected:
  LoadRunner Runner(std::function<bool()> stop = [] { return false; }) {
    return LoadRunner({.io = io_,
                       .target = target_,
                       .make =
                           [this](std::int64_t index) {
                             made_.push_back(index);
                             return LoadRequest{.output_tokens = 3};
                           },
                       .stop = std::move(stop)});
  }

  boost::asio::io_context io_{1};
  FakeTarget target_{io_};
  std::vector<std::int64_t> made_;
};

TEST_F(ALoadRunner, KeepsSoManyInFlight) {
  LoadPlan plan{.arrivals = {}, .concurrency = 4, .requests = 50};
  const LoadRun run = Runner().Run(plan);
  EXPECT_EQ(run.records.size(), 50u);
  EXPECT_EQ(target_.most(), 4);
  EXPECT_EQ(made_.size(), 50u);
  EXPECT_EQ(made_.back(), 49);
  EXPECT_FALSE(run.is_stopped);
}

TEST_F(ALoadRunner, SendsWhatArrivesWhetherOrNotEarlierOnesHaveEnded) {
  LoadPlan plan{.arrivals = {0.0, 0.0, 0.001, 0.002}, .concurrency = {}, .requests = 4};
  EXPECT_EQ(Runner().Run(plan).records.size(), 4u);
  EXPECT_GE(target_.most(), 2);
}

TEST_F(ALoadRunner, HoldsArrivalsBackBeyondTheConcurrency) {
  LoadPlan plan{.arrivals = std::vector<double>(20, 0.0), .concurrency = 3, .requests = 20};
  EXPECT_EQ(Runner().Run(plan).records.size(), 20u);
  EXPECT_EQ(target_.most(), 3);
}

TEST_F(ALoadRunner, EndsWithTheTimeForBeginning) {
  LoadPlan plan{.arrivals = {}, .concurrency = 1, .seconds = 0.05};
  const LoadRun run = Runner().Run(plan);
  EXPECT_GT(run.records.size(), 0u);
  EXPECT_EQ(static_cast<std::int64_t>(run.records.size()), run.asked_for);
}

// Else a server that refuses would be asked as fast as it can say so.
TEST_F(ALoadRunner, LetsAClientRestWhoseRequestHasFailed) {
  target_.fails = true;
  LoadPlan plan{.arrivals = {}, .concurrency = 2, .seconds = 0.25};
  const LoadRun run = Runner().Run(plan);
  EXPECT_GE(run.records.size(), 2u);
  EXPECT_LE(run.records.size(), 8u);
}

TEST_F(ALoadRunner, LeavesWhatIsInFlightWhenItIsStopped) {
  target_.hangs = true;
  LoadPlan plan{.arrivals = {}, .concurrency = 2, .requests = 10};
  bool stop = false;
  int asked = 0;
  const LoadRun run = Runner([&] { return stop = ++asked > 1; }).Run(plan);
  EXPECT_TRUE(run.is_stopped);
  ASSERT_EQ(run.records.size(), 2u);
  EXPECT_TRUE(run.records[0].is_cancelled);
  EXPECT_EQ(run.asked_for, 2);
}

TEST_F(ALoadRunner, CanRunAgain) {
  LoadRunner runner = Runner();
  LoadPlan plan{.arrivals = {}, .concurrency = 2, .requests = 5};
  EXPECT_EQ(runner.Run(plan).records.size(), 5u);
  EXPECT_EQ(runner.Run(plan).records.size(), 5u);
}

class ALoadBench : public ALoadRunner {
 protected:
  LoadReport Measure() {
    ProgressLine quiet(ProgressOnStderr(Verbosity::kQuiet));
    LoadBench bench({.io = io_,
                     .target = target_,
                     .options = options_,
                     .stop = [] { return false; },
                     .progress = quiet});
    LoadReport report;
    report.options = options_;
    bench.Measure(report);
    return report;
  }
  LoadOptions options_;
};

TEST_F(ALoadBench, RunsItsRounds) {
  options_.concurrency = 3;
  options_.requests = 7;
  options_.rounds = 2;
  const LoadReport report = Measure();
  ASSERT_EQ(report.rounds.size(), 2u);
  EXPECT_EQ(report.rounds[1].completed, 7);
  EXPECT_EQ(report.rounds[1].output_tokens, 7 * 64);
}

TEST_F(ALoadBench, SaysThatItsFirstRequestWasNotAnswered) {
  options_.concurrency = 1;
  target_.fails = true;
  EXPECT_THAT(
      MessageOf([this] { Measure(); }, ExitCode::kEnvironment),
      testing::HasSubstr("a request before the measurement was not answered: status 503: busy"));
}

// The fake answers at once, so all that is found is that it is too quick for such trials, or the
// greatest rate that is tried.
TEST_F(ALoadBench, LooksForARate) {
  options_.rate_search = RateSearchMode::kOn;
  options_.rate = 1000.0;
  options_.requests = 20;
  options_.target.e2el = 1.0;
  const LoadReport report = Measure();
  ASSERT_TRUE(report.search);
  ASSERT_FALSE(report.search->trials.empty());
  EXPECT_EQ(report.search->trials[0].summary.good, 20);
  EXPECT_GE(report.search->met.value_or(0.0), 1000.0);
}

TEST_F(ALoadBench, TriesNoRateWhereARequestAloneIsTooSlow) {
  options_.rate_search = RateSearchMode::kOn;
  options_.target.e2el = 0.5;
  target_.latency = 1.0;
  const LoadReport report = Measure();
  ASSERT_TRUE(report.search);
  EXPECT_FALSE(report.search->met);
  EXPECT_TRUE(report.search->trials.empty());
  EXPECT_THAT(LoadText(report), testing::HasSubstr("no rate will do: a request alone, of 1000.0"));
}

}  // namespace
}  // namespace lockstep
