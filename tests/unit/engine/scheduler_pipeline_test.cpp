// The scheduler with several steps under way: those of a pipeline's stages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/error.h"
#include "engine/scheduling/scheduler.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// (id, start, count) of each chunk.
using Launched = std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>;

struct PipelineSizes {
  std::int64_t sequences = 8;
  std::int64_t step_tokens = 16;
  std::int64_t pages = 100;
};

class SchedulerPipeline : public testing::Test {
 protected:
  void Make(const PipelineSizes& sizes, std::int64_t steps = 2) {
    scheduler_.emplace(SchedulerOptions{.max_sequences = sizes.sequences,
                                        .max_step_tokens = sizes.step_tokens,
                                        .steps_under_way = steps,
                                        .page_count = sizes.pages,
                                        .page_tokens = 4});
  }

  void Submit(std::int64_t id, std::size_t size) {
    NewSequence sequence{.id = id, .tokens = std::vector<std::int32_t>(size)};
    std::iota(sequence.tokens.begin(), sequence.tokens.end(), static_cast<std::int32_t>(100 * id));
    scheduler_->Submit(std::move(sequence));
  }

  // Plans a step, which is under way then.
  Launched Launch() {
    const PlannedStep step = scheduler_->Plan();
    Launched launched;
    std::vector<std::int64_t>& ends = ends_.emplace_back();
    for (const Chunk& chunk : step.chunks) {
      launched.emplace_back(chunk.id, chunk.start, chunk.count);
      if (chunk.reaches_end()) ends.push_back(chunk.id);
    }
    if (step.number == 0) ends_.pop_back();
    return launched;
  }

  // The oldest one comes back: who has reached its end gets token 7.
  void Complete() {
    scheduler_->Complete(++completed_);
    for (const std::int64_t id : ends_.front()) scheduler_->Append(id, 7);
    ends_.erase(ends_.begin());
  }

  std::optional<Scheduler> scheduler_;
  std::vector<std::vector<std::int64_t>> ends_;
  std::int64_t completed_ = 0;
};

TEST_F(SchedulerPipeline, DealsOutThoseThatDecode) {
  Make({});
  for (std::int64_t id = 1; id <= 3; ++id) Submit(id, 2);
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 0, 2), std::tuple(2, 0, 2), std::tuple(3, 0, 2)));
  EXPECT_THAT(Launch(), IsEmpty()) << "all of them are in the step before";
  Complete();
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 2, 1), std::tuple(2, 2, 1)));
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(3, 2, 1)));
  Complete();
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 3, 1), std::tuple(2, 3, 1)));
  Complete();
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(3, 3, 1)));
}

TEST_F(SchedulerPipeline, ComputesALongPromptInSeveralStepsAtOnce) {
  Make({.sequences = 8, .step_tokens = 15, .pages = 100}, 3);
  Submit(1, 18);
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 0, 5)));
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 5, 5)));
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 10, 5)));
  Complete();
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 15, 3)));
  Complete();
  EXPECT_THAT(Launch(), IsEmpty());
  Complete();
  Complete();
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 18, 1)));
}

TEST_F(SchedulerPipeline, PreemptsNobodyWhoseTokensAreOnTheirWay) {
  Make({.sequences = 2, .step_tokens = 14, .pages = 4});
  Submit(1, 7);
  Submit(2, 7);
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 0, 7)));
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(2, 0, 7)));
  Complete();
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 7, 1)));
  Complete();
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(2, 7, 1)));
  Complete();
  // All four pages are full, and sequence 2 is under way.
  EXPECT_THAT(Launch(), IsEmpty());
  EXPECT_EQ(scheduler_->counts().preemptions, 0);
  Complete();
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 8, 1)));
  EXPECT_EQ(scheduler_->counts().preemptions, 1);
}

TEST_F(SchedulerPipeline, ForgetsWhatIsRemovedOnItsWay) {
  Make({});
  Submit(1, 6);
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 0, 6)));
  ends_.front().clear();
  EXPECT_TRUE(scheduler_->Remove(1));
  Submit(1, 3);  // the number comes again
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 0, 3)));
  Complete();
  EXPECT_THAT(Launch(), IsEmpty());
  Complete();
  EXPECT_THAT(Launch(), ElementsAre(std::tuple(1, 3, 1)));
  EXPECT_EQ(scheduler_->blocks().available(), 99);
}

TEST_F(SchedulerPipeline, RefusesStepsOutOfOrder) {
  Make({});
  Submit(1, 12);
  Launch();
  Launch();
  EXPECT_THROW(scheduler_->Plan(), Error) << "both stages have theirs";
  EXPECT_THROW(scheduler_->Complete(2), Error);
  Complete();
  Complete();
  EXPECT_THROW(scheduler_->Complete(3), Error);
}

}  // namespace
}  // namespace lockstep
