// Sequences that fork, are held, and take drafts back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/scheduling/scheduler.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Tokens = std::vector<std::int32_t>;

constexpr std::int64_t kPageTokens = 4;

Scheduler Make(std::int64_t sequences, std::int64_t pages) {
  return Scheduler({.max_sequences = sequences,
                    .max_step_tokens = 64,
                    .page_count = pages,
                    .page_tokens = kPageTokens});
}

// (id, start, count) of each chunk of the next step, which is completed.
using Plan = std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>;

PlannedStep PlanAndComplete(Scheduler& scheduler) {
  PlannedStep step = scheduler.Plan();
  if (step.number > 0) scheduler.Complete(step.number);
  return step;
}

Plan Shape(const PlannedStep& step) {
  Plan plan;
  for (const Chunk& chunk : step.chunks) plan.emplace_back(chunk.id, chunk.start, chunk.count);
  return plan;
}

Plan Step(Scheduler& scheduler) { return Shape(PlanAndComplete(scheduler)); }

TEST(SchedulerForks, AHeldSequenceKeepsItsPagesAndIsInNoStep) {
  Scheduler scheduler = Make(4, 8);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3}});
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 3)));
  EXPECT_THAT(Step(scheduler), IsEmpty());
  EXPECT_FALSE(scheduler.idle());
  EXPECT_EQ(scheduler.blocks().available(), 7);
  scheduler.Append(1, 4);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 3, 1)));
}

TEST(SchedulerForks, AForkComputesOnlyWhatIsNewAndCopiesOnlyThePageItWritesTo) {
  Scheduler scheduler = Make(4, 8);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3, 4, 5, 6}});
  Step(scheduler);
  scheduler.Fork(1, 2);
  EXPECT_EQ(scheduler.blocks().available(), 6) << "pages are shared";
  scheduler.Append(1, 7);
  scheduler.Append(2, 8);
  const PlannedStep step = PlanAndComplete(scheduler);
  EXPECT_THAT(Shape(step), ElementsAre(std::tuple(1, 6, 1), std::tuple(2, 6, 1)));
  EXPECT_THAT(step.page_copies, ElementsAre(PageCopy{1, 2}));
  EXPECT_EQ(scheduler.blocks().available(), 5) << "the full page is still shared";
  scheduler.Append(1, 9);
  EXPECT_THAT(PlanAndComplete(scheduler).page_copies, IsEmpty()) << "both are alone now";
}

TEST(SchedulerForks, TheOnlyForkOfAFinishedSequenceWritesWithoutACopy) {
  Scheduler scheduler = Make(4, 8);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3}});
  Step(scheduler);
  scheduler.Fork(1, 2);
  scheduler.Append(2, 4);
  scheduler.Remove(1);
  const PlannedStep step = PlanAndComplete(scheduler);
  EXPECT_THAT(Shape(step), ElementsAre(std::tuple(2, 3, 1)));
  EXPECT_THAT(step.page_copies, IsEmpty());
}

TEST(SchedulerForks, AForkAtThePagesEndCopiesNothing) {
  Scheduler scheduler = Make(4, 8);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3, 4}});
  Step(scheduler);
  scheduler.Fork(1, 2);
  scheduler.Append(1, 5);
  scheduler.Append(2, 6);
  EXPECT_THAT(PlanAndComplete(scheduler).page_copies, IsEmpty());
}

TEST(SchedulerForks, AForkWithoutASlotWaitsAndIsComputedAnew) {
  Scheduler scheduler = Make(1, 8);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3}});
  Step(scheduler);
  scheduler.Fork(1, 2);
  scheduler.Append(2, 4);
  EXPECT_EQ(scheduler.waiting_count(), 1);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(2, 0, 4)))
      << "the held one makes room for it";
  scheduler.Append(1, 5);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 4)));
}

TEST(SchedulerForks, HeldSequencesGiveUpTheirPagesWhenNobodyCouldGoOn) {
  Scheduler scheduler = Make(4, 2);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3, 4, 5}});
  Step(scheduler);
  scheduler.Fork(1, 2);
  scheduler.Append(2, 6);  // needs a copy of the last page, and there is none
  const PlannedStep step = PlanAndComplete(scheduler);
  EXPECT_THAT(Shape(step), ElementsAre(std::tuple(2, 5, 1)));
  EXPECT_THAT(step.page_copies, IsEmpty());
  EXPECT_EQ(scheduler.waiting_count(), 1);
  scheduler.Remove(2);
  EXPECT_THAT(Step(scheduler), IsEmpty()) << "it is still held";
  scheduler.Append(1, 7);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 4, 2))) << "from the prefix cache";
}

TEST(SchedulerForks, DraftsAreComputedTogetherAndTakenBack) {
  Scheduler scheduler = Make(4, 8);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3}});
  Step(scheduler);
  scheduler.Append(1, Tokens{4, 5, 6}, TokenState::kDraft);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 3, 3)));
  EXPECT_EQ(scheduler.blocks().available(), 6);
  EXPECT_THROW(scheduler.Append(1, 7), Error) << "behind drafts";
  scheduler.Rollback(1, 2);
  EXPECT_EQ(scheduler.blocks().available(), 7);
  scheduler.Commit(1);
  scheduler.Append(1, 9);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 4, 1)));
  EXPECT_THAT(scheduler.Tokens(1), ElementsAre(1, 2, 3, 4, 9));
  EXPECT_THROW(scheduler.Rollback(1, 1), Error) << "is no draft";
}

TEST(SchedulerForks, OnlyCommittedTokensAreFoundByOthers) {
  Scheduler scheduler = Make(4, 8);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3}});
  Step(scheduler);
  scheduler.Append(1, Tokens{4}, TokenState::kDraft);
  Step(scheduler);
  scheduler.Submit({.id = 2, .tokens = {1, 2, 3, 4, 5}});
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(2, 0, 5)));
  scheduler.Commit(1);
  scheduler.Submit({.id = 3, .tokens = {1, 2, 3, 4, 6}});
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(3, 4, 1)));
}

TEST(SchedulerForks, APageThatOthersCanFindIsNotWrittenToAgain) {
  Scheduler scheduler = Make(4, 8);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3}});
  Step(scheduler);
  scheduler.Append(1, Tokens{4}, TokenState::kDraft);
  Step(scheduler);
  scheduler.Fork(1, 2);
  scheduler.Commit(1);  // publishes the page that both use
  scheduler.Remove(1);
  scheduler.Rollback(2, 1);
  scheduler.Append(2, 9);
  const PlannedStep step = PlanAndComplete(scheduler);
  EXPECT_THAT(Shape(step), ElementsAre(std::tuple(2, 3, 1)));
  EXPECT_THAT(step.page_copies, ElementsAre(PageCopy{0, 1}));
}

TEST(SchedulerForks, SequencesOfDifferentKeysShareNothing) {
  Scheduler scheduler = Make(4, 8);
  scheduler.Submit({.id = 1, .tokens = {1, 2, 3, 4, 5}, .cache_key = 7});
  scheduler.Submit({.id = 2, .tokens = {1, 2, 3, 4, 6}});
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 5), std::tuple(2, 0, 5)));
  scheduler.Submit({.id = 3, .tokens = {1, 2, 3, 4, 8}, .cache_key = 7});
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(3, 4, 1)));
}

}  // namespace
}  // namespace lockstep
