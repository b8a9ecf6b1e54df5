#include "planning/simulation/simulate.h"

#include <gmock/gmock.h>

#include <numeric>

#include "planning/report/simulation_report.h"
#include "tests/support/expect_narrow.h"
#include "tests/support/message_of.h"
#include "tests/unit/planning/planning_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

struct Case {
  ModelSpec spec = Pythia1B4();
  Machine machine = RoundGpus();
  TextLoad workload{.texts = 1, .prompt_tokens = 128, .new_tokens = 32};
  EngineLimits limits;
  Layout layout;

  PlanQuestion question() const {
    return {.spec = spec, .machine = machine, .workload = workload, .limits = limits};
  }
  Simulation Run(const Arrivals& arrivals) const { return Simulate(question(), layout, arrivals); }
};

// Tokens per second where all sequences decode together, 16 of them.
double SpeedOfFullBatches(const Case& one) {
  TextLoad batch = one.workload;
  batch.texts = 16;
  return Predict(
             {.spec = one.spec, .machine = one.machine, .workload = batch, .limits = one.limits},
             one.layout)
      .tokens_per_second();
}

TEST(Simulate, GivesALoneRequestThePredictedTime) {
  const Case one;
  const Simulation simulation = one.Run({.requests = 20, .per_second = 0.001});
  const Prediction predicted = Predict(one.question(), one.layout);
  ASSERT_EQ(simulation.latencies.size(), 20u);
  for (const SimulatedLatency& latency : simulation.latencies) {
    EXPECT_NEAR(latency.first_token, predicted.time.prompt.total(), 1e-3 * latency.first_token);
    EXPECT_NEAR(latency.per_token, predicted.time.step().total(), 1e-3 * latency.per_token);
    EXPECT_NEAR(latency.whole, predicted.time.seconds(), 1e-3 * latency.whole);
  }
  EXPECT_EQ(simulation.steps, 20 * 32);
  EXPECT_NEAR(simulation.busy_seconds, 20 * predicted.time.seconds(), 1e-3);
}

TEST(Simulate, GivesALoneRequestThePredictedTimeInAPipelineToo) {
  Case one;
  one.machine = RoundHost();
  one.layout = {.pp = 2, .threads = 1};
  const Simulation simulation = one.Run({.requests = 20, .per_second = 0.001});
  const Prediction predicted = Predict(one.question(), one.layout);
  for (const SimulatedLatency& latency : simulation.latencies) {
    EXPECT_NEAR(latency.first_token, predicted.time.prompt.total(), 1e-3 * latency.first_token);
    EXPECT_NEAR(latency.whole, predicted.time.seconds(), 1e-3 * latency.whole);
  }
}

TEST(Simulate, FillsThePipelineWhereThereAreTexts) {
  Case stages;
  stages.machine = RoundHost();
  stages.layout = {.pp = 2, .threads = 1};
  stages.limits.max_sequences = 16;
  const Simulation simulation = stages.Run({.requests = 400, .per_second = 1e6});
  EXPECT_EQ(simulation.latencies.size(), 400u);
  const double speed = 400.0 * 32 / simulation.seconds;
  EXPECT_NEAR(speed, SpeedOfFullBatches(stages), 0.2 * speed);
}

TEST(Simulate, AnswersEveryRequestAndRepeatsItself) {
  Case many;
  many.layout.dp = 3;
  const Arrivals arrivals{.requests = 1000, .per_second = 200.0, .seed = 7};
  const Simulation first = many.Run(arrivals), second = many.Run(arrivals);
  EXPECT_EQ(first.latencies.size(), 1000u);
  EXPECT_EQ(first.seconds, second.seconds);
  EXPECT_EQ(first.busy_seconds, second.busy_seconds);
  EXPECT_LE(first.busy_seconds, 3 * first.seconds);
  const Simulation other = many.Run({.requests = 1000, .per_second = 200.0, .seed = 8});
  EXPECT_NE(first.seconds, other.seconds);
}

// Beyond what a copy can do, it works all the time, and requests wait.
TEST(Simulate, SaturatesAtTheThroughputOfFullBatches) {
  Case full;
  full.limits.max_sequences = 16;
  const Simulation simulation = full.Run({.requests = 400, .per_second = 1e6});
  EXPECT_NEAR(simulation.busy_seconds, simulation.seconds, 1e-9);
  const double speed = 400.0 * 32 / simulation.seconds;
  EXPECT_NEAR(speed, SpeedOfFullBatches(full), 0.15 * speed);
  EXPECT_GT(simulation.latencies.back().first_token, simulation.latencies.front().first_token);
}

TEST(Simulate, MoreCopiesWaitLess) {
  Case one, four;
  four.layout.dp = 4;
  const Arrivals arrivals{.requests = 500, .per_second = 300.0};
  const auto first_token = [](const Simulation& simulation) {
    std::vector<float> values;
    for (const SimulatedLatency& latency : simulation.latencies)
      values.push_back(latency.first_token);
    return Percentile(values, 99);
  };
  EXPECT_LT(first_token(four.Run(arrivals)), first_token(one.Run(arrivals)));
}

TEST(Simulate, RefusesAModelThatDoesNotFit) {
  Case small;
  small.machine.memory_bytes = 1e9;
  EXPECT_THAT(MessageOf([&] { small.Run({}); }),
              HasSubstr("the model and the cache of one text do not fit into 0.9 GiB"));
}

TEST(Percentile, IsTheSmallestThatIsEnough) {
  std::vector<float> values(100);
  std::iota(values.rbegin(), values.rend(), 1.0F);
  EXPECT_EQ(Percentile(values, 50), 50.0);
  EXPECT_EQ(Percentile(values, 99), 99.0);
  EXPECT_EQ(Percentile(values, 100), 100.0);
  EXPECT_EQ(Percentile({3.0F}, 1), 3.0);
  EXPECT_EQ(Percentile({}, 50), 0.0);
}

TEST(SimulationText, FitsEightyColumns) {
  Case some;
  some.layout = {.tp = 2, .dp = 2};
  const Arrivals arrivals{.requests = 50, .per_second = 10.0};
  const PlanQuestion question = some.question();
  const Simulation simulation = some.Run(arrivals);
  const SimulationReport report{"configs/pythia-1.4b.yaml", question, some.layout, arrivals,
                                simulation};
  const std::string text = SimulationText(report);
  EXPECT_THAT(text, HasSubstr("4 ranks: 2 copies of 2; 50 requests, 10.0 a second"));
  ExpectNarrow(text);
  Case alone;
  const SimulationReport of_one{"a.yaml", alone.question(), alone.layout, arrivals, simulation};
  EXPECT_THAT(SimulationText(of_one), HasSubstr("1 rank: 1 copy of 1; "));
  EXPECT_GT(SimulationJson(report)["first_token_seconds"]["p99"].get<double>(), 0.0);
}

}  // namespace
}  // namespace lockstep
