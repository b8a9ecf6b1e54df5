#include "planning/fit/calibrate.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "planning/fit/link_fit.h"
#include "planning/machine/machine_yaml.h"
#include "planning/report/fit_page.h"
#include "planning/report/fit_report.h"
#include "tests/support/expect_narrow.h"
#include "tests/support/message_of.h"
#include "tests/unit/planning/planning_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// What a machine with these losses would show.
SpeedPoint PointOn(const Machine& machine, bool prompts, const Layout& layout,
                   const GroupLoad& load) {
  SpeedPoint point{.name = "a point",
                   .of_prompts = prompts,
                   .layout = layout,
                   .load = load,
                   .tokens_per_second = 0.0};
  const StepModel model(Pythia1B4(), layout);
  GroupLoad timed = load;
  ++timed.new_tokens;
  const double seconds = TimeOf(prompts ? PromptSteps(model, timed) : DecodeSteps(model, timed),
                                RatesOf(machine, layout))
                             .total();
  point.tokens_per_second = point.tokens() / seconds;
  return point;
}

Measurements SweepOn(const Machine& machine) {
  Measurements all;
  for (const std::int64_t ranks : {1, 2})
    for (const WeightFormat format : {WeightFormat::kBF16, WeightFormat::kInt8}) {
      const Layout layout = WithUsualCache({.tp = ranks, .threads = 1, .format = format});
      for (const std::int64_t texts : {1, 4, 16, 64})
        all.speeds.push_back(PointOn(machine, false, layout,
                                     {.texts = texts, .prompt_tokens = 64, .new_tokens = 16}));
      for (const std::int64_t prompt : {32, 256, 1024})
        all.speeds.push_back(PointOn(machine, true, layout, {.texts = 1, .prompt_tokens = prompt}));
    }
  return all;
}

Machine LossyHost() {
  Machine machine = RoundHost();
  machine.efficiency.weights = PerFormat(0.8);
  machine.efficiency.weights[WeightFormat::kInt8] = 0.7;
  machine.efficiency.products = PerFormat(0.3);
  machine.efficiency.products[WeightFormat::kInt8] = 0.15;
  machine.efficiency.cache = 0.5;
  machine.efficiency.attention = 0.1;
  machine.efficiency.activations = 0.25;
  machine.efficiency.overlap = 0.4;
  machine.overhead = {.block = 20e-6, .step = 200e-6};
  return machine;
}

TEST(Calibrate, FindsAMachineThatExplainsEveryPoint) {
  const Machine start = FindMachine("avx512");
  Machine other = start;
  other.efficiency = LossyHost().efficiency;
  other.overhead = LossyHost().overhead;
  const Calibration calibration = Calibrate(Pythia1B4(), start, SweepOn(other));
  EXPECT_EQ(calibration.points.size(), 28u);
  EXPECT_LT(calibration.worst_fitted(), 0.03);
  EXPECT_LT(calibration.worst_unseen(), 0.06);
  EXPECT_TRUE(calibration.left_out.empty());
}

// Noise of the size that a shared machine has is not followed into corners.
TEST(Calibrate, PredictsPointsThatItHasNotSeenDespiteNoise) {
  Machine truth = FindMachine("avx512");
  truth.efficiency = LossyHost().efficiency;
  Measurements noisy = SweepOn(truth);
  double sign = 1.0;
  for (SpeedPoint& point : noisy.speeds) {
    point.tokens_per_second *= 1.0 + 0.04 * sign;
    sign = -sign;
  }
  const Calibration calibration = Calibrate(Pythia1B4(), FindMachine("avx512"), noisy);
  EXPECT_LT(calibration.worst_fitted(), 0.10);
  EXPECT_LT(calibration.worst_unseen(), 0.15);
}

// What was disturbed while it was measured, as its rounds show, does not move the rest.
TEST(Calibrate, FollowsPointsWhoseRoundsAgree) {
  Machine truth = FindMachine("avx512");
  truth.efficiency = LossyHost().efficiency;
  Measurements disturbed = SweepOn(truth);
  const std::set<std::size_t> hit{0, 5, 9, 16, 22};
  for (const std::size_t one : hit) {
    disturbed.speeds[one].tokens_per_second *= 0.6;
    disturbed.speeds[one].spread = 0.5;
  }
  using Points = Calibration::Points;
  const Calibration calibration = Calibrate(Pythia1B4(), FindMachine("avx512"), disturbed);
  EXPECT_FALSE(calibration.all_steady());
  EXPECT_GT(calibration.worst_fitted(), 0.4);
  EXPECT_LT(calibration.worst_fitted(Points::kSteady), 0.05);
  EXPECT_LT(calibration.worst_unseen(Points::kSteady), 0.10);
  const std::string text = FitText("m", FindMachine("avx512"), calibration);
  ExpectNarrow(text);
  EXPECT_THAT(text, HasSubstr("* its rounds are more than 15 % apart"));
  // Where the rounds do not show it, the others are moved.
  for (SpeedPoint& point : disturbed.speeds) point.spread = 0.0;
  const Calibration misled = Calibrate(Pythia1B4(), FindMachine("avx512"), disturbed);
  double moved = 0.0;
  for (std::size_t i = 0; i < misled.points.size(); ++i)
    if (!hit.contains(i)) moved = std::max(moved, std::abs(misled.points[i].off()));
  EXPECT_GT(moved, 0.05);
}

TEST(Calibrate, LeavesAloneWhatNothingTells) {
  const Machine start = FindMachine("avx512");
  Measurements one;
  one.speeds.push_back(
      PointOn(start, false, {.threads = 1}, {.texts = 1, .prompt_tokens = 16, .new_tokens = 8}));
  const Calibration calibration = Calibrate(Pythia1B4(), start, one);
  EXPECT_LT(calibration.worst_fitted(), 0.01);
  EXPECT_NEAR(calibration.machine.efficiency.attention, start.efficiency.attention,
              0.05 * start.efficiency.attention);
  EXPECT_EQ(calibration.machine.bandwidth, start.bandwidth);
  EXPECT_FALSE(calibration.points.front().unseen.has_value());
  EXPECT_FALSE(calibration.points.front().unseen_off().has_value());
  const FittedParameter& last = calibration.parameters.back();
  EXPECT_EQ(last.name, "overhead.step_us");
  EXPECT_DOUBLE_EQ(last.before, 1e6 * start.overhead.step);
  EXPECT_DOUBLE_EQ(last.fitted, 1e6 * calibration.machine.overhead.step);
}

// A host that reads at half of the speed in bf16 is not taken to read at full speed in int8.
TEST(Calibrate, MovesFormatsThatWereNotMeasuredAlong) {
  const Machine start = FindMachine("avx512");
  Machine slower = start;
  slower.efficiency.weights[WeightFormat::kBF16] *= 0.5;
  Measurements measured;
  for (const std::int64_t count : {8, 16})
    measured.speeds.push_back(PointOn(slower, false, {.threads = 1},
                                      {.texts = 1, .prompt_tokens = 16, .new_tokens = count}));
  const Calibration calibration = Calibrate(Pythia1B4(), start, measured);
  EXPECT_LT(calibration.machine.efficiency.weights[WeightFormat::kInt8],
            0.7 * start.efficiency.weights[WeightFormat::kInt8]);
}

TEST(Calibrate, NamesPointsThatTheMachineCannotHaveHad) {
  Measurements measured;
  const Machine machine = RoundHost();
  measured.speeds.push_back(
      PointOn(machine, false, {.threads = 1}, {.texts = 1, .prompt_tokens = 16, .new_tokens = 8}));
  measured.speeds.push_back(measured.speeds.front());
  measured.speeds.back().layout.threads = 99;
  const Calibration calibration = Calibrate(Pythia1B4(), machine, measured);
  ASSERT_EQ(calibration.left_out.size(), 1u);
  EXPECT_THAT(calibration.left_out.front(), HasSubstr("a rank of 99 cores"));
  measured.speeds.erase(measured.speeds.begin());
  EXPECT_THAT(MessageOf([&] { Calibrate(Pythia1B4(), machine, measured); }),
              HasSubstr("no point can have been measured on this machine"));
}

TEST(WithLinksOf, FindsLatencyAndBandwidth) {
  std::vector<ReducePoint> reduces;
  for (const double bytes : {4096.0, 65536.0, 1048576.0})
    reduces.push_back({.ranks = 2, .bytes = bytes, .seconds = 3e-6 + bytes / 20e9});
  const Machine machine = WithLinksOf(reduces, RoundHost());
  // Two ranks of this host are on two sockets.
  ASSERT_TRUE(machine.link(LinkLevel::kSockets).has_value());
  EXPECT_NEAR(machine.link(LinkLevel::kSockets)->latency, 3e-6, 1e-9);
  EXPECT_NEAR(machine.link(LinkLevel::kSockets)->bandwidth, 20e9, 1e6);
  EXPECT_EQ(machine.link(LinkLevel::kCores), RoundHost().link(LinkLevel::kCores));
  // One size says nothing of the other.
  reduces.resize(1);
  EXPECT_EQ(WithLinksOf(reduces, RoundHost()), RoundHost());
}

TEST(FitText, ShowsWhatWasMeasuredBesideWhatIsPredicted) {
  const Machine start = RoundHost();
  Measurements measured = SweepOn(start);
  for (SpeedPoint& point : measured.speeds) point.name = "decode bf16, 2 x 1, 1 x (2048, 2048)";
  const Calibration calibration = Calibrate(Pythia1B4(), start, measured);
  const std::string text = FitText("a model", start, calibration);
  EXPECT_THAT(text, HasSubstr("measured"));
  EXPECT_THAT(text, HasSubstr("of each point by the others alone"));
  EXPECT_THAT(text, HasSubstr("efficiency.weights.int8"));
  ExpectNarrow(text);
  const std::string page = FitHtml("a <model>", start, calibration);
  EXPECT_THAT(page, HasSubstr("a &lt;model&gt;"));
  EXPECT_THAT(page, HasSubstr("Unseen points"));
  EXPECT_THAT(page, HasSubstr("decode bf16, 2 x 1, 1 x (2048, 2048): measured "));
  const auto json = FitJson(start, calibration);
  EXPECT_EQ(json["points"].size(), calibration.points.size());
  EXPECT_TRUE(json["parameters"].contains("overhead.block_us"));
}

}  // namespace
}  // namespace lockstep
