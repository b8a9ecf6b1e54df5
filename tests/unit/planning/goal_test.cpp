#include "planning/goal/goal.h"

#include <gmock/gmock.h>

#include "planning/report/goal_report.h"
#include "tests/support/message_of.h"
#include "tests/unit/planning/planning_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

TEST(ParseGoal, ReadsSpeedUsersAndTheFirstToken) {
  EXPECT_EQ(ParseGoal("50 tokens/s for 64 users"), (Goal{50.0, 64, {}}));
  EXPECT_EQ(ParseGoal("  2.5 tok/s  for 1 user "), (Goal{2.5, 1, {}}));
  EXPECT_EQ(ParseGoal("7 tokens/s for 3 texts, first token within 200 ms"), (Goal{7.0, 3, 0.2}));
  EXPECT_EQ(ParseGoal("7 tokens/s for 3 texts, first token within 1.5 s"), (Goal{7.0, 3, 1.5}));
}

TEST(ParseGoal, SaysWhereItStopsToUnderstand) {
  EXPECT_EQ(MessageOf([] { ParseGoal("50 tokens/s for many users"); }),
            "--goal \"50 tokens/s for many users\": not understood at \"many users\"; expected "
            "\"50 tokens/s for 64 users\", with \", first token within 200 ms\" behind it if you "
            "like");
  for (const char* text : {"", "fast", "0 tokens/s for 1 user", "5 tokens/s for 1.5 users",
                           "5 tokens/s for 1 user, soon", "5 tokens/s for 1 user!",
                           "-5 tokens/s for 1 user", "5 tokens/s for 99999999 users"})
    EXPECT_THAT(MessageOf([&] { ParseGoal(text); }), HasSubstr("not understood at")) << text;
}

GoalSearch SearchOf(const ModelSpec& spec, const Machine& machine, const Goal& goal) {
  return {.spec = spec,
          .machine = machine,
          .goal = goal,
          .limits = {},
          .format = {},
          .tp = {},
          .pp = {},
          .threads = {}};
}

TEST(Search, AnswersWithTheCheapestFirst) {
  const ModelSpec spec = GptJ6B();
  const Machine machine = RoundGpus();
  const GoalAnswer answer = Search(SearchOf(spec, machine, {60.0, 32, {}}));
  ASSERT_GT(answer.layouts.size(), 1u);
  EXPECT_FALSE(answer.nearest.has_value());
  std::int64_t cost = 0;
  for (const Prediction& one : answer.layouts) {
    EXPECT_TRUE(Meets(one, {60.0, 32, {}}));
    EXPECT_GE(one.share.units_in_use(one.layout), cost);
    cost = one.share.units_in_use(one.layout);
  }
}

// No layout of the same format that is as cheap or cheaper is left out for a worse one: every
// layout that meets the goal is met or beaten by one of the answer.
TEST(Search, LeavesNothingBetterOut) {
  const ModelSpec spec = GptJ6B();
  const Machine machine = RoundGpus();
  const Goal goal{40.0, 16, {}};
  const GoalAnswer answer = Search(SearchOf(spec, machine, goal));
  for (const std::int64_t tp : {1, 2, 4, 8})
    for (const std::int64_t dp : {1, 2, 4, 8}) {
      if (tp * dp > 8) continue;
      const Prediction one =
          Predict({.spec = spec, .machine = machine, .workload = {.texts = 16}, .limits = {}},
                  {.tp = tp, .dp = dp});
      if (!Meets(one, goal)) continue;
      const bool covered = std::ranges::any_of(answer.layouts, [&](const Prediction& other) {
        return other.layout.format == WeightFormat::kBF16 &&
               other.share.units_in_use(other.layout) <= tp * dp;
      });
      EXPECT_TRUE(covered) << tp << " x " << dp;
    }
}

TEST(Search, KeepsWhatTheUserHasChosen) {
  const ModelSpec spec = GptJ6B();
  const Machine machine = RoundHost();
  GoalSearch search = SearchOf(spec, machine, {1.0, 2, {}});
  search.format = WeightFormat::kInt8;
  search.tp = 2;
  search.threads = 4;
  const GoalAnswer answer = Search(search);
  ASSERT_FALSE(answer.layouts.empty());
  for (const Prediction& one : answer.layouts) {
    EXPECT_EQ(one.layout.format, WeightFormat::kInt8);
    EXPECT_EQ(one.layout.tp, 2);
    EXPECT_EQ(one.layout.threads, 4);
  }
}

TEST(Search, NamesTheNearestWhereNoneIsEnough) {
  const ModelSpec spec = GptJ6B();
  const Machine machine = RoundGpus();
  const GoalAnswer answer = Search(SearchOf(spec, machine, {1e6, 64, {}}));
  EXPECT_TRUE(answer.layouts.empty());
  ASSERT_TRUE(answer.nearest.has_value());
  EXPECT_THAT(GoalText("m", SearchOf(spec, machine, {1e6, 64, {}}), answer),
              HasSubstr("no layout reaches it; the nearest is\n"));
}

TEST(Search, HoldsTheFirstTokenToItsTime) {
  const ModelSpec spec = GptJ6B();
  const Machine machine = RoundGpus();
  const Goal slow{1.0, 1, {}};
  Goal fast = slow;
  const GoalAnswer any = Search(SearchOf(spec, machine, slow));
  ASSERT_FALSE(any.layouts.empty());
  fast.first_token_seconds = 0.5 * any.layouts.front().time.prompt.total();
  const GoalAnswer answer = Search(SearchOf(spec, machine, fast));
  ASSERT_FALSE(answer.layouts.empty());
  for (const Prediction& one : answer.layouts)
    EXPECT_LE(one.time.prompt.total(), *fast.first_token_seconds);
}

TEST(Search, SaysWhenNothingFits) {
  const ModelSpec spec = GptJ6B();
  Machine machine = RoundGpus();
  machine.memory_bytes = 1e8;
  const GoalSearch search = SearchOf(spec, machine, {1.0, 1, {}});
  const GoalAnswer answer = Search(search);
  EXPECT_TRUE(answer.layouts.empty());
  EXPECT_FALSE(answer.nearest.has_value());
  EXPECT_THAT(GoalText("m", search, answer), HasSubstr("nothing fits into the memory"));
}

}  // namespace
}  // namespace lockstep
