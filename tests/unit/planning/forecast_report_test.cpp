#include "planning/report/forecast_report.h"

#include <gmock/gmock.h>

#include "planning/goal/goal.h"
#include "planning/machine/machine_yaml.h"
#include "planning/report/goal_report.h"
#include "planning/report/quantities.h"
#include "tests/support/expect_narrow.h"
#include "tests/unit/planning/planning_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

TEST(Quantities, HaveThreeDigits) {
  EXPECT_EQ(SecondsText(1.234e-6), "1.23 us");
  EXPECT_EQ(SecondsText(0.01234), "12.3 ms");
  EXPECT_EQ(SecondsText(0.9996), "1.00 s");
  EXPECT_EQ(SecondsText(123.4), "123 s");
  EXPECT_EQ(RateText(0.734), "0.73");
  EXPECT_EQ(RateText(45.61), "45.6");
  EXPECT_EQ(RateText(1234.4), "1,234");
  EXPECT_EQ(GroupedText(1234567), "1,234,567");
  EXPECT_EQ(GroupedText(-123456), "-123,456");
  EXPECT_EQ(OffText(-0.0123), "-1.2 %");
  EXPECT_EQ(GibText(1.5 * 1024 * 1024 * 1024), "1.50");
}

TEST(ForecastText, FitsEightyColumnsForEveryMachine) {
  const ModelSpec spec = GptJ6B();
  const FitHere here{.need = 123e9, .free = 22e9, .pool = "the host's memory"};
  for (const std::string& name : ShippedMachines()) {
    const Machine machine = FindMachine(name);
    for (const TextLoad& workload :
         {TextLoad{}, TextLoad{.texts = 4096, .prompt_tokens = 1024, .new_tokens = 1024},
          TextLoad{.texts = 1, .prompt_tokens = 1, .new_tokens = 1}}) {
      const Prediction one =
          Predict({.spec = spec, .machine = machine, .workload = workload, .limits = {}},
                  WithUsualCache({.tp = 4, .dp = 2, .format = WeightFormat::kInt8}));
      const std::string text = ForecastText({"configs/aphra-6b.yaml", machine, one, &here});
      ExpectNarrow(text);
      EXPECT_THAT(text, HasSubstr("configs/aphra-6b.yaml in int8, on " + machine.title + "\n"));
      EXPECT_THAT(text, HasSubstr("2 copies of 4 ranks of "));
      EXPECT_THAT(
          text,
          HasSubstr("here: 114.55 GiB of 20.49 that are free in the host's memory: does not fit"));
      EXPECT_THAT(ForecastText({"configs/aphra-6b.yaml", machine, one, nullptr}),
                  testing::Not(HasSubstr("here:")));
    }
  }
}

TEST(ForecastJson, HasTimesThatAddUp) {
  const ModelSpec spec = Pythia1B4();
  const Machine machine = RoundHost();
  const Prediction one = Predict(
      {.spec = spec, .machine = machine, .workload = {.texts = 4}, .limits = {}}, {.tp = 2});
  const auto json = ForecastJson({"m", machine, one, {}});
  double sum = 0.0;
  for (const auto& part : json["time"]["step"]["split"]) sum += part.get<double>();
  EXPECT_NEAR(sum, json["time"]["step"]["seconds"].get<double>(), 1e-12);
  EXPECT_EQ(json["layout"]["tp"], 2);
  EXPECT_EQ(json["workload"]["batch"], 4);
  EXPECT_EQ(json["memory"]["fits"], true);
  EXPECT_DOUBLE_EQ(json["tokens_per_second"]["in_all"].get<double>(),
                   4 * json["tokens_per_second"]["of_text"].get<double>());
}

TEST(GoalText, FitsEightyColumns) {
  const ModelSpec spec = GptJ6B();
  for (const char* name : {"h100", "avx512"}) {
    const Machine machine = FindMachine(name);
    const GoalSearch search{.spec = spec,
                            .machine = machine,
                            .goal = ParseGoal("5 tokens/s for 64 users, first token within 5 s"),
                            .limits = {},
                            .format = {},
                            .tp = {},
                            .pp = {},
                            .threads = {}};
    const GoalAnswer answer = Search(search);
    ASSERT_FALSE(answer.layouts.empty()) << name;
    ExpectNarrow(GoalText("configs/aphra-6b.yaml", search, answer));
    const auto json = GoalJson(search, answer);
    EXPECT_EQ(json["layouts"].size(), answer.layouts.size());
    EXPECT_EQ(json["goal"]["users"], 64);
  }
}

TEST(FitsHere, AddsUpAllRanksAndTakesTheSmallestPool) {
  const ModelSpec spec = Pythia1B4();
  const std::vector<MemoryPool> pools{
      {.id = MemoryPool::kHost, .name = "the host", .free_bytes = 9e9},
      {.id = 7, .name = "a control group", .free_bytes = 4e9}};
  const auto of = [&](const Layout& layout, std::int64_t tokens) {
    return FitsHere({.spec = spec, .layout = layout, .limits = {}, .cache_tokens = tokens}, pools);
  };
  const FitHere one = of({}, 2048);
  EXPECT_EQ(one.pool, "a control group");
  EXPECT_DOUBLE_EQ(one.free, 4e9);
  EXPECT_GT(one.need, 2.8e9);
  EXPECT_LT(one.need, 4e9);
  EXPECT_TRUE(one.fits());
  EXPECT_FALSE(of(WithUsualCache({.format = WeightFormat::kF32}), 2048).fits());
  EXPECT_FALSE(of({.dp = 2}, 2048).fits());
  EXPECT_GT(of({}, 8192).need, one.need);
  // Of each rank.
  const std::vector<MemoryPool> own{{.name = "the limit of ulimit -v", .free_bytes = 1e9}};
  EXPECT_DOUBLE_EQ(
      FitsHere({.spec = spec, .layout = {.tp = 4}, .limits = {}, .cache_tokens = 64}, own).free,
      4e9);
}

}  // namespace
}  // namespace lockstep
