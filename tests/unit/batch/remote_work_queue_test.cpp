#include "batch/queue/remote_work_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "fake_messenger.h"
#include "tests/support/message_of.h"
#include "tests/support/ranks_alike.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

LineResult Result(std::int64_t index) {
  return {.index = index, .record = fmt::format("{}\n", index), .error = "", .tokens = 3};
}

// The second of two groups, whose first rank is rank 2.
class RemoteWorkQueueTest : public testing::Test {
 protected:
  void Arrive(const Assignment& assignment) {
    messenger_.arriving.push_back({0, Pack(assignment)});
  }

  RankAlike world_{2, {"first", "first", "second", "second"}};
  FakeMessenger messenger_;
  RemoteWorkQueue desk_{world_, messenger_};
};

TEST_F(RemoteWorkQueueTest, HandsOnWhatHasArrivedInItsOrder) {
  EXPECT_THAT(desk_.Take(), IsEmpty());
  const WorkLine one{3, "three", "in:4"}, two{5, "five", "in:6"}, three{9, "nine", "in:10"};
  Arrive({.lines = {one, two}});
  Arrive({});  // a heartbeat
  Arrive({.lines = {three}});
  EXPECT_THAT(desk_.Take(), ElementsAre(one, two, three));
  EXPECT_THAT(desk_.Take(), IsEmpty());
  EXPECT_FALSE(desk_.ended());
}

TEST_F(RemoteWorkQueueTest, SendsEveryResultOnceAndTogether) {
  desk_.Put(Result(4));
  desk_.Put(Result(2));
  EXPECT_THAT(messenger_.sent, IsEmpty()) << "not a message for each";
  desk_.Take();
  const std::vector<WorkerReport> reports = messenger_.Reports(0);
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports[0], (WorkerReport{.results = {Result(4), Result(2)}}));
  desk_.Take();
  EXPECT_THAT(messenger_.Reports(0), IsEmpty());
}

TEST_F(RemoteWorkQueueTest, GivesASignOfLifeEverySecond) {
  world_.set_deadline_seconds(30);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1100);
  while (std::chrono::steady_clock::now() < end) {
    desk_.Take();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const std::vector<WorkerReport> reports = messenger_.Reports(0);
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports[0], WorkerReport{});
}

TEST_F(RemoteWorkQueueTest, KnowsThatNothingMoreIsWanted) {
  Arrive({.end = true, .lines = {}});
  EXPECT_THAT(desk_.Take(), IsEmpty());
  EXPECT_TRUE(desk_.ended());
  Arrive({});  // a heartbeat that was on its way
  desk_.Take();
  EXPECT_TRUE(desk_.ended()) << "for good";
}

TEST_F(RemoteWorkQueueTest, LeavesNoLetterBehind) {
  desk_.Put(Result(1));
  messenger_.untaken = 3;
  desk_.Leave();
  EXPECT_EQ(messenger_.untaken, 0);
  const std::vector<WorkerReport> reports = messenger_.Reports(0);
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports[0], (WorkerReport{.last = true, .results = {Result(1)}}));
}

TEST_F(RemoteWorkQueueTest, DoesNotWaitForEverForItsLastLetterToBeTaken) {
  world_.set_deadline_seconds(0.05);
  messenger_.untaken = 1 << 30;
  EXPECT_THAT(MessageOf([&] { desk_.Leave(); }, ExitCode::kRankFailure),
              HasSubstr("rank 0 on first has not answered for 0.05 s"));
}

TEST_F(RemoteWorkQueueTest, SendsNoLetterThatIsTooLarge) {
  for (const int index : {0, 1, 2})
    desk_.Put({.index = index, .record = std::string(12 << 20, 'x'), .error = "", .tokens = 1});
  desk_.Take();
  std::vector<std::size_t> sizes;
  for (const WorkerReport& report : messenger_.Reports(0)) sizes.push_back(report.results.size());
  EXPECT_THAT(sizes, ElementsAre(2, 1));
}

TEST_F(RemoteWorkQueueTest, ShowsLifeWithoutItsResults) {
  desk_.Put(Result(1));
  desk_.SendHeartbeat();
  EXPECT_THAT(messenger_.Reports(0), ElementsAre(WorkerReport{}));
}

TEST_F(RemoteWorkQueueTest, NamesRankZeroWhenItIsNotHeardOf) {
  world_.set_deadline_seconds(0.05);
  const std::string message = MessageOf(
      [&] {
        for (;;) desk_.Take();
      },
      ExitCode::kRankFailure);
  EXPECT_THAT(message, HasSubstr("rank 0 on first has not answered for 0.05 s"));
  EXPECT_THAT(message, HasSubstr("rank 2 on second"));
}

TEST_F(RemoteWorkQueueTest, NamesForWhomRankZeroWaits) {
  world_.set_deadline_seconds(0.05);
  messenger_.held_up_by = {1};
  const std::string message = MessageOf(
      [&] {
        for (;;) desk_.Take();
      },
      ExitCode::kRankFailure);
  EXPECT_THAT(message,
              HasSubstr("rank 0 on first has not answered for 0.05 s, which waits for rank 1 on "));
}

TEST_F(RemoteWorkQueueTest, CountsTheDeadlineFromTheLastLetter) {
  world_.set_deadline_seconds(0.2);
  for (int i = 0; i < 40; ++i) {
    Arrive({});
    EXPECT_NO_THROW(desk_.Take());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace
}  // namespace lockstep
