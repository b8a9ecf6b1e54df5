#include "engine/scheduling/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/error.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// (id, start, count) of each chunk.
using Plan = std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>;

Plan Shape(const std::vector<Chunk>& chunks) {
  Plan plan;
  for (const Chunk& chunk : chunks) plan.emplace_back(chunk.id, chunk.start, chunk.count);
  return plan;
}

// Plans and completes a step; sequences that reach their end get token 7.
Plan Step(Scheduler& scheduler) {
  const PlannedStep step = scheduler.Plan();
  const std::vector<Chunk>& chunks = step.chunks;
  const Plan plan = Shape(chunks);
  std::vector<std::int64_t> ended;
  for (const Chunk& chunk : chunks)
    if (chunk.reaches_end()) ended.push_back(chunk.id);
  if (step.number > 0) scheduler.Complete(step.number);
  for (const std::int64_t id : ended) scheduler.Append(id, 7);
  return plan;
}

// Tokens that no other id has.
NewSequence Make(std::int64_t id, std::size_t size, std::int64_t priority = 0) {
  NewSequence sequence{.id = id, .tokens = std::vector<std::int32_t>(size), .priority = priority};
  std::iota(sequence.tokens.begin(), sequence.tokens.end(), static_cast<std::int32_t>(1000 * id));
  return sequence;
}

SchedulerOptions Sizes(std::int64_t sequences, std::int64_t step_tokens, std::int64_t pages) {
  return {.max_sequences = sequences,
          .max_step_tokens = step_tokens,
          .page_count = pages,
          .page_tokens = 4};
}

TEST(Scheduler, MixesPromptsWithDecodingWithinTheBudget) {
  Scheduler scheduler(Sizes(4, 8, 100));
  scheduler.Submit(Make(1, 3));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 3)));
  scheduler.Submit(Make(2, 12));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 3, 1), std::tuple(2, 0, 7)));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 4, 1), std::tuple(2, 7, 5)));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 5, 1), std::tuple(2, 12, 1)));
}

TEST(Scheduler, PromptsHaveLessRoomBesideSequencesThatDecode) {
  SchedulerOptions sizes = Sizes(4, 16, 100);
  sizes.mixed_step_tokens = 4;
  Scheduler scheduler(sizes);
  scheduler.Submit(Make(1, 3));
  scheduler.Submit(Make(2, 13));  // alone, prompts have all of the step
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 3), std::tuple(2, 0, 13)));
  scheduler.Submit(Make(3, 6));
  EXPECT_THAT(Step(scheduler),
              ElementsAre(std::tuple(1, 3, 1), std::tuple(2, 13, 1), std::tuple(3, 0, 2)));
  EXPECT_THAT(Step(scheduler),
              ElementsAre(std::tuple(1, 4, 1), std::tuple(2, 14, 1), std::tuple(3, 2, 2)));
}

TEST(Scheduler, PromptsGoOnHoweverManyDecode) {
  SchedulerOptions sizes = Sizes(8, 16, 100);
  sizes.mixed_step_tokens = 4;
  Scheduler scheduler(sizes);
  for (int id = 1; id <= 6; ++id) scheduler.Submit(Make(id, 1));
  EXPECT_EQ(Step(scheduler).size(), 6u);
  scheduler.Submit(Make(7, 3));
  const Plan plan = Step(scheduler);
  ASSERT_EQ(plan.size(), 7u);
  EXPECT_EQ(plan.back(), std::tuple(7, 0, 1));
}

TEST(Scheduler, ALongPromptLeavesAQuarterToThoseBehindIt) {
  Scheduler scheduler(Sizes(4, 8, 100));
  scheduler.Submit(Make(1, 40));
  scheduler.Submit(Make(2, 2));
  scheduler.Submit(Make(3, 2));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 6), std::tuple(2, 0, 2)));
  EXPECT_THAT(Step(scheduler),
              ElementsAre(std::tuple(1, 6, 6), std::tuple(2, 2, 1), std::tuple(3, 0, 1)));
}

TEST(Scheduler, NobodyOvertakesTheHeadOfTheQueue) {
  Scheduler scheduler(Sizes(4, 100, 10));
  scheduler.Submit(Make(1, 20));
  scheduler.Submit(Make(2, 30));  // does not fit beside the first
  scheduler.Submit(Make(3, 1));   // would
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 20)));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 20, 1)));
  scheduler.Remove(1);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(2, 0, 30), std::tuple(3, 0, 1)));
}

TEST(Scheduler, LowerPrioritiesGoFirstButOnlySoFar) {
  Scheduler scheduler(Sizes(1, 100, 100));
  scheduler.Submit(Make(1, 1, 1));
  scheduler.Submit(Make(2, 1, 0));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(2, 0, 1)));
  // Urgent ones without end: the first still comes after kTurnsPerPriority of them.
  for (std::int64_t id = 3; id < 3 + Scheduler::kTurnsPerPriority; ++id)
    scheduler.Submit(Make(id, 1, 0));
  std::int64_t overtaken = 0;
  for (std::int64_t running = 2; running != 1; ++overtaken) {
    scheduler.Remove(running);
    running = std::get<0>(Step(scheduler).front());
  }
  EXPECT_LE(overtaken, Scheduler::kTurnsPerPriority);
  EXPECT_FALSE(scheduler.idle());
}

TEST(Scheduler, AClientThatComesLaterWaitsForNoQueueOfAnother) {
  Scheduler scheduler(Sizes(1, 100, 100));
  const auto submit = [&](std::int64_t id, ClientId client) {
    NewSequence sequence = Make(id, 1);
    sequence.client = client;
    scheduler.Submit(std::move(sequence));
  };
  for (std::int64_t id = 1; id <= 50; ++id) submit(id, 1);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 1)));
  submit(51, 2);
  submit(52, 2);
  std::vector<std::int64_t> order;
  for (std::int64_t running = 1; order.size() < 4; order.push_back(running)) {
    scheduler.Remove(running);
    running = std::get<0>(Step(scheduler).front());
  }
  EXPECT_THAT(order, ElementsAre(51, 2, 52, 3));
}

TEST(Scheduler, LongTextsAreWorthMoreTurns) {
  Scheduler scheduler(Sizes(1, 100, 100));
  const auto submit = [&](std::int64_t id, ClientId client, std::int64_t tokens) {
    NewSequence sequence = Make(id, 1);
    sequence.client = client;
    sequence.most_new_tokens = tokens;
    scheduler.Submit(std::move(sequence));
  };
  for (std::int64_t id = 1; id <= 3; ++id) submit(id, 1, 2 * FairTurns::kTokensPerTurn);
  for (std::int64_t id = 11; id <= 16; ++id) submit(id, 2, 1);
  std::vector<std::int64_t> order;
  for (std::int64_t running = 0; order.size() < 9; order.push_back(running)) {
    scheduler.Remove(running);
    running = std::get<0>(Step(scheduler).front());
  }
  EXPECT_THAT(order, ElementsAre(1, 11, 12, 13, 2, 14, 15, 16, 3));
}

TEST(Scheduler, ThePagesOfTheLatestAreTakenWhenThereAreNoOthers) {
  SchedulerOptions options = Sizes(4, 100, 6);
  options.prefix_cache = PrefixCache::kOff;
  Scheduler scheduler(options);
  scheduler.Submit(Make(1, 7));
  scheduler.Submit(Make(2, 7));
  while (scheduler.counts().preemptions == 0) Step(scheduler);
  EXPECT_EQ(scheduler.running_count(), 1);
  const std::size_t kept = scheduler.Tokens(2).size();
  EXPECT_GT(kept, 7u) << "tokens are never lost";
  Step(scheduler);
  scheduler.Remove(1);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(2, 0, kept))) << "computed anew";
}

// It would have to give its pages up again at once.
TEST(Scheduler, NobodyIsAdmittedIntoPagesThatOthersAreAboutToNeed) {
  Scheduler scheduler(Sizes(4, 100, 4));
  scheduler.Submit(Make(1, 8));  // its next token begins a page
  scheduler.Submit(Make(2, 8));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 8)));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 8, 1)));
  EXPECT_EQ(scheduler.waiting_count(), 1);
  scheduler.Remove(1);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(2, 0, 8)));
  EXPECT_EQ(scheduler.counts().preemptions, 0);
}

TEST(Scheduler, ACommonBeginningIsComputedOnceEvenByThoseThatComeTogether) {
  Scheduler scheduler(Sizes(4, 100, 100));
  for (const std::int64_t id : {1, 2, 3}) {
    NewSequence sequence = Make(1, 10);
    sequence.id = id;
    scheduler.Submit(sequence);
  }
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 10)));
  EXPECT_THAT(Step(scheduler),
              ElementsAre(std::tuple(1, 10, 1), std::tuple(2, 8, 2), std::tuple(3, 8, 2)));
  EXPECT_EQ(scheduler.counts().prefix_hits, 16);
  EXPECT_EQ(scheduler.blocks().page_count() - scheduler.blocks().available(), 2 + 3)
      << "two shared pages, and each one's own";
}

// Or steps would be as small as the prompts that come first.
TEST(Scheduler, WhoWaitsForACommonBeginningLetsOthersPass) {
  Scheduler scheduler(Sizes(8, 100, 100));
  scheduler.Submit(Make(1, 10));
  NewSequence same = Make(1, 10);
  same.id = 2;
  scheduler.Submit(same);
  scheduler.Submit(Make(3, 5));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 10), std::tuple(3, 0, 5)));
  EXPECT_THAT(Step(scheduler),
              ElementsAre(std::tuple(1, 10, 1), std::tuple(2, 8, 2), std::tuple(3, 5, 1)));
}

// However long the prompt is that has the beginning, and however many others come.
TEST(Scheduler, WhoWaitsForACommonBeginningIsOvertakenByFew) {
  Scheduler scheduler(Sizes(2, 8, 2000));
  scheduler.Submit(Make(1, 1000));
  NewSequence same = Make(1, 1000);
  same.id = 2;
  scheduler.Submit(same);
  const std::int64_t last = 3 + 2 * Scheduler::kMostOvertaking;
  for (std::int64_t id = 3; id < last; ++id) scheduler.Submit(Make(id, 1));
  std::set<std::int64_t> overtook;
  for (int step = 0; step < 300; ++step)
    for (const auto& [id, start, count] : Step(scheduler)) {
      if (id < 3) continue;
      overtook.insert(id);
      scheduler.Remove(id);
    }
  EXPECT_EQ(std::ssize(overtook), Scheduler::kMostOvertaking);
}

TEST(Scheduler, ThePromptsLastTokenIsComputedEvenWhenAllIsCached) {
  Scheduler scheduler(Sizes(4, 100, 100));
  scheduler.Submit(Make(1, 8));
  Step(scheduler);
  Step(scheduler);
  scheduler.Remove(1);
  scheduler.Submit(Make(1, 8));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 4, 4)));
}

TEST(Scheduler, WhoWantsAllLogitsComputesTheWholePromptInSmallSteps) {
  SchedulerOptions options = Sizes(4, 100, 100);
  options.max_logit_tokens = 5;
  Scheduler scheduler(options);
  scheduler.Submit(Make(1, 8));
  Step(scheduler);
  scheduler.Remove(1);
  NewSequence all = Make(1, 8);
  all.rows = LogitRows::kAll;
  scheduler.Submit(all);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 5)));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 5, 3)));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 8, 1)));
}

// Its logits are counted, and the rest comes from the cache.
TEST(Scheduler, WhoWantsTheLogitsBehindAContextTakesThatFromTheCache) {
  SchedulerOptions options = Sizes(4, 100, 100);
  options.max_logit_tokens = 3;
  Scheduler scheduler(options);
  NewSequence first = Make(1, 14);
  first.rows = LogitRows::kAll;
  first.context_tokens = 10;
  NewSequence second = first;
  second.id = 2;
  scheduler.Submit(first);
  scheduler.Submit(second);
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 0, 13)));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 13, 1), std::tuple(2, 8, 4)));
  EXPECT_THAT(Step(scheduler), ElementsAre(std::tuple(1, 14, 1), std::tuple(2, 12, 2)));
  EXPECT_EQ(scheduler.counts().prefix_hits, 8);
}

TEST(Scheduler, ForgetsWaitingAndRunningSequences) {
  Scheduler scheduler(Sizes(1, 100, 10));
  scheduler.Submit(Make(1, 9));
  scheduler.Submit(Make(2, 9));
  Step(scheduler);
  EXPECT_TRUE(scheduler.Remove(1));
  EXPECT_TRUE(scheduler.Remove(2));
  EXPECT_FALSE(scheduler.Remove(2));
  EXPECT_TRUE(scheduler.idle());
  EXPECT_EQ(scheduler.blocks().available(), 10);
  EXPECT_THAT(Step(scheduler), IsEmpty());
}

TEST(Scheduler, NumbersTheStepsThatComputeSomething) {
  Scheduler scheduler(Sizes(4, 100, 20));
  EXPECT_EQ(scheduler.Plan().number, 0);
  scheduler.Submit(Make(1, 3));
  for (std::int64_t number = 1; number <= 3; ++number) {
    const PlannedStep step = scheduler.Plan();
    EXPECT_EQ(step.number, number);
    scheduler.Submit(Make(10 + number, 2));  // is in the next one
    EXPECT_EQ(std::ssize(step.chunks), number);
    scheduler.Complete(step.number);
    for (std::int64_t id = 0; id < 20; ++id)
      if (std::ranges::any_of(step.chunks, [&](const Chunk& one) { return one.id == id; }))
        scheduler.Append(id, 7);
  }
}

TEST(Scheduler, RefusesWhatItsOwnerGotWrong) {
  Scheduler scheduler(Sizes(4, 100, 2));
  scheduler.Submit(Make(1, 1));
  EXPECT_THROW(scheduler.Submit(Make(1, 1)), Error);
  EXPECT_THROW(scheduler.Submit(Make(2, 0)), Error);
  const std::int64_t step = scheduler.Plan().number;
  EXPECT_THROW(scheduler.Append(1, 5), Error) << "it is in a step";
  EXPECT_THROW(scheduler.Plan(), Error) << "one step at a time";
  EXPECT_THROW(scheduler.Complete(step + 1), Error);
  scheduler.Complete(step);
  EXPECT_THROW(scheduler.Complete(step), Error) << "twice";
  scheduler.Remove(1);
  scheduler.Submit(Make(3, 9));  // can never fit
  EXPECT_THROW(scheduler.Plan(), Error);
}

}  // namespace
}  // namespace lockstep
