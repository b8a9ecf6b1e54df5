// What a step's time is spent on (core/timing/phases.h), on a clock that counts looks at it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "comm/self_communicator.h"
#include "core/timing/phases.h"
#include "engine/engine.h"
#include "tests/support/golden/golden_model.h"

namespace lockstep {
namespace {

std::int64_t g_looks = 0;
std::int64_t CountLooks() { return ++g_looks; }

struct Heard : PhaseObserver {
  void OnSpan(const PhaseSpan& span) override { ++spans[span.phase]; }
  void OnStep(const StepTimes& step) override { steps.push_back(step); }
  void OnRequest(const RequestTime& moment) override { requests.push_back(moment); }
  std::map<Phase, int> spans;
  std::vector<StepTimes> steps;
  std::vector<RequestTime> requests;
};

TEST(StepPhases, AreThoseOfTheDecoderAndTheEngine) {
  SelfCommunicator self;
  GoldenModel model(SourceFolder() / "tests/golden/cases/neox_saved_single", self, {});
  EXPECT_TRUE(model.decoder().has_phases());
  const ModelSpec& spec = model.decoder().spec();
  Engine engine(model.decoder(), self, {});
  Heard heard;
  const PhaseWatch watch(heard, CountLooks);
  engine.Submit({.id = 1, .prompt = {1, 2, 3}, .sampling = {.max_new_tokens = 2}});
  while (!engine.idle()) engine.Step();
  engine.Launch();  // there is nothing to do: no step

  ASSERT_EQ(heard.steps.size(), 2u);
  EXPECT_EQ(heard.steps[0].tokens, 3);
  EXPECT_EQ(heard.steps[1].tokens, 1);
  EXPECT_EQ(heard.steps[1].step, heard.steps[0].step + 1);
  for (const StepTimes& step : heard.steps) {
    EXPECT_EQ(std::accumulate(step.phases.begin(), step.phases.end(), std::int64_t{0}),
              step.end - step.begin);
    for (const Phase phase : {Phase::kPlan, Phase::kBroadcast, Phase::kProducts, Phase::kAttention,
                              Phase::kAllReduce, Phase::kGather, Phase::kSampling, Phase::kOther})
      EXPECT_GT(step.phases[static_cast<std::size_t>(phase)], 0) << Name(phase);
    EXPECT_EQ(step.phases[static_cast<std::size_t>(Phase::kWaiting)], 0) << "one rank is alone";
  }
  const auto layers = static_cast<int>(spec.layer_count);
  EXPECT_EQ(heard.spans[Phase::kAttention], 2 * layers);
  EXPECT_EQ(heard.spans[Phase::kProducts] % 2, 0);
  // One sum for each block, or two, and one of the embedding.
  EXPECT_EQ(heard.spans[Phase::kAllReduce], 2 * (1 + layers * (spec.parallel_residual ? 1 : 2)));
}

std::vector<RequestMoment> MomentsOf(const Heard& heard, std::int64_t request) {
  std::vector<RequestMoment> moments;
  for (const RequestTime& one : heard.requests)
    if (one.request == request) moments.push_back(one.moment);
  return moments;
}

TEST(StepPhases, HaveWhatBecomesOfEachRequest) {
  using enum RequestMoment;
  using testing::ElementsAre;
  SelfCommunicator self;
  GoldenModel model(SourceFolder() / "tests/golden/cases/neox_saved_single", self, {});
  Engine engine(model.decoder(), self, {.max_sequences = 1});
  Heard heard;
  const PhaseWatch watch(heard, CountLooks);
  engine.Submit({.id = 1, .prompt = {1, 2, 3}, .sampling = {.max_new_tokens = 2}});
  engine.Submit({.id = 2,
                 .prompt = {1, 2, 3, 4},
                 .sampling = {.max_new_tokens = 0},
                 .prompt_logprobs = 0,
                 .arrived = -5});
  engine.Submit({.id = 3, .prompt = {5}, .sampling = {.max_new_tokens = 2}});
  engine.Submit({.id = 4, .prompt = {6}, .reached = {7, 8}, .sampling = {.max_new_tokens = 4}});
  engine.Cancel(3);
  while (!engine.idle()) engine.Step();

  EXPECT_THAT(MomentsOf(heard, 1), ElementsAre(kArrived, kBegun, kFirstToken, kEnded));
  EXPECT_THAT(MomentsOf(heard, 2), ElementsAre(kArrived, kBegun, kEnded)) << "it was scored";
  EXPECT_THAT(MomentsOf(heard, 3), ElementsAre(kArrived, kEnded)) << "nobody wanted it";
  EXPECT_THAT(MomentsOf(heard, 4), ElementsAre(kArrived, kBegun, kFirstToken, kEnded))
      << "it goes on behind two tokens";
  EXPECT_EQ(heard.requests[0].tokens, 3);
  EXPECT_EQ(heard.requests[1].at, -5) << "when it was handed in";
  EXPECT_EQ(heard.requests[1].tokens, 3) << "nothing is computed for the last one";
  for (const RequestTime& one : heard.requests)
    if (one.moment == kEnded && one.request == 1) {
      EXPECT_EQ(one.tokens, 2);
    }
}

}  // namespace
}  // namespace lockstep
