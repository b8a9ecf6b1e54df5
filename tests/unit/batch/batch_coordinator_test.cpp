#include "batch/queue/batch_coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <utility>

#include "core/error.h"
#include "core/files/file.h"
#include "fake_messenger.h"
#include "tests/support/message_of.h"
#include "tests/support/ranks_alike.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Three groups of two ranks; group 0 is the coordinator's own.
class BatchCoordinatorTest : public testing::Test {
 protected:
  BatchCoordinator Open(int lines, std::int64_t capacity) {
    std::string text;
    for (int i = 0; i < lines; ++i) text += fmt::format("line {}\n", i);
    WriteText(folder_.path() / "in", text);
    return BatchCoordinator({.input = folder_.path() / "in",
                             .total = lines,
                             .capacity = capacity,
                             .sink = OpenSink({.output = folder_.path() / "out"}),
                             .progress = {}},
                            {.leaders = {0, 2, 4}, .world = &world_, .messenger = &messenger_});
  }

  static LineResult Result(std::int64_t index) {
    return {.index = index, .record = fmt::format("{}\n", index), .error = "", .tokens = 1};
  }

  // The error that ends it where of the two other groups the second alone is heard of.
  std::string MessageWithoutGroup1(BatchCoordinator& coordinator) {
    return MessageOf(
        [&] {
          for (;;) {
            messenger_.arriving.push_back({4, Pack(WorkerReport{})});
            coordinator.Take();
          }
        },
        ExitCode::kRankFailure);
  }

  TemporaryFolder folder_;
  RankAlike world_{0, std::vector<std::string>(6, "node")};
  FakeMessenger messenger_;
};

TEST_F(BatchCoordinatorTest, GivesEveryGroupAnEqualShareOfFewLines) {
  BatchCoordinator coordinator = Open(7, 100);
  EXPECT_THAT(coordinator.Take(), SizeIs(1));  // what the others leave
  EXPECT_THAT(messenger_.Lines(2), SizeIs(3));
  EXPECT_THAT(messenger_.Lines(4), SizeIs(3));
  EXPECT_FALSE(coordinator.ended());
}

TEST_F(BatchCoordinatorTest, GivesNoGroupMoreThanItCanTakeAndRefillsTheOneThatIsFree) {
  BatchCoordinator coordinator = Open(100, 4);
  EXPECT_THAT(coordinator.Take(), SizeIs(4));
  EXPECT_THAT(messenger_.Lines(2), SizeIs(4));
  const std::vector<WorkLine> lines = messenger_.Lines(4);
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_THAT(coordinator.Take(), IsEmpty());
  messenger_.arriving.push_back(
      {4, Pack(WorkerReport{.results = {Result(lines[1].index), Result(lines[3].index)}})});
  EXPECT_THAT(coordinator.Take(), IsEmpty());
  EXPECT_THAT(messenger_.Lines(4), SizeIs(2));
  EXPECT_THAT(messenger_.Lines(2), IsEmpty());
  EXPECT_THAT(coordinator.progress().groups, ElementsAre(0, 0, 2));
}

TEST_F(BatchCoordinatorTest, WritesResultsInTheOrderOfTheInputWhoeverTheyComeFrom) {
  BatchCoordinator coordinator = Open(6, 2);
  const std::vector<WorkLine> own = coordinator.Take();
  for (const int leader : {4, 2}) {
    WorkerReport report;
    for (const WorkLine& line : messenger_.Lines(leader))
      report.results.push_back(Result(line.index));
    messenger_.arriving.push_back({leader, Pack(report)});
  }
  EXPECT_THAT(coordinator.Take(), IsEmpty());
  for (const WorkLine& line : own) coordinator.Put(Result(line.index));
  EXPECT_TRUE(coordinator.ended());
  EXPECT_TRUE(coordinator.all_done());
  for (const int leader : {2, 4})
    messenger_.arriving.push_back({leader, Pack(WorkerReport{.last = true})});
  coordinator.Leave();
  coordinator.Commit();
  EXPECT_EQ(ReadFile(folder_.path() / "out"), "0\n1\n2\n3\n4\n5\n");
}

TEST_F(BatchCoordinatorTest, KeepsTheOutputBackWhenTheInputIsAnotherInTheEnd) {
  WriteText(folder_.path() / "in", "a\nb\n");
  const InputSummary counted = SummarizeInput(folder_.path() / "in");
  BatchCoordinator coordinator({.input = folder_.path() / "in",
                                .total = 2,
                                .capacity = 4,
                                .sink = OpenSink({.output = folder_.path() / "out"}),
                                .progress = {},
                                .counted = &counted},
                               {});
  EXPECT_THAT(coordinator.Take(), SizeIs(2));
  for (const int index : {0, 1}) coordinator.Put(Result(index));
  coordinator.Take();
  ASSERT_TRUE(coordinator.all_done());
  WriteText(folder_.path() / "in", "a\nb\nc\n");
  EXPECT_THAT(MessageOf([&] { coordinator.Commit(); }, ExitCode::kEnvironment),
              HasSubstr("has changed while it was read"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "out"));
  EXPECT_EQ(ReadFile(folder_.path() / "out.partial"), "0\n1\n");
}

TEST_F(BatchCoordinatorTest, NamesALineThatIsTooLongAndGivesTheOthersOut) {
  WriteText(folder_.path() / "in", "a\n" + std::string(kMostLineBytes + 1, 'b') + "\nc\n");
  BatchCoordinator with_long({.input = folder_.path() / "in",
                              .total = 3,
                              .capacity = 4,
                              .sink = OpenSink({.output = folder_.path() / "other"}),
                              .progress = {}},
                             {});
  EXPECT_THAT(with_long.Take(), SizeIs(2));
  for (const int index : {0, 2}) with_long.Put(Result(index));
  with_long.Take();
  ASSERT_TRUE(with_long.all_done());
  with_long.Commit();
  EXPECT_EQ(with_long.errors(), 1);
  EXPECT_THAT(ReadFile(folder_.path() / "other"),
              testing::MatchesRegex(
                  "0\n\\{\"id\":1,\"error\":\".*/in:2: the line has 67108865 bytes; expected "
                  "at most 67108864\"\\}\n2\n"));
}

TEST_F(BatchCoordinatorTest, EndsWhenAGroupIsInterrupted) {
  BatchCoordinator coordinator = Open(6, 2);
  coordinator.Take();
  messenger_.arriving.push_back({2, Pack(WorkerReport{.interrupted = true})});
  EXPECT_THAT(coordinator.Take(), IsEmpty());
  EXPECT_TRUE(coordinator.ended());
  EXPECT_FALSE(coordinator.all_done());
}

TEST_F(BatchCoordinatorTest, NamesAGroupThatIsNotHeardOf) {
  BatchCoordinator coordinator = Open(6, 2);
  world_.set_deadline_seconds(0.05);
  const std::string message = MessageWithoutGroup1(coordinator);
  EXPECT_THAT(
      message,
      HasSubstr("nothing has been heard of group 1 for 0.05 s; its first rank is rank 2 on node"));
}

TEST_F(BatchCoordinatorTest, NamesForWhomASilentGroupWaits) {
  BatchCoordinator coordinator = Open(6, 2);
  world_.set_deadline_seconds(0.05);
  messenger_.held_up_by = {3, 5};
  const std::string message = MessageWithoutGroup1(coordinator);
  EXPECT_THAT(message, HasSubstr("its first rank is rank 2 on node"));
  EXPECT_THAT(message, HasSubstr(", which waits for rank 3 on node"));
  EXPECT_THAT(message, HasSubstr(" and rank 5 on node"));
}

// Takes leave for group 1 at once, and for group 2 after some heartbeats.
class SlowLeave : public FakeMessenger {
 public:
  std::optional<Message> Receive() override {
    if (!std::exchange(first_has_left_, true)) return Message{2, Pack(WorkerReport{.last = true})};
    if (std::exchange(spoke_, !spoke_)) return std::nullopt;
    const bool last = std::chrono::steady_clock::now() > end_;
    return Message{4, Pack(WorkerReport{.last = last})};
  }

 private:
  std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(400);
  bool first_has_left_ = false;
  bool spoke_ = false;
};

TEST_F(BatchCoordinatorTest, ExpectsNothingMoreOfAGroupThatHasLeft) {
  SlowLeave messenger;
  WriteText(folder_.path() / "in", "");
  BatchCoordinator coordinator({.input = folder_.path() / "in",
                                .total = 0,
                                .capacity = 1,
                                .sink = OpenSink({.output = folder_.path() / "out"}),
                                .progress = {}},
                               {.leaders = {0, 2, 4}, .world = &world_, .messenger = &messenger});
  world_.set_deadline_seconds(0.2);
  EXPECT_NO_THROW(coordinator.Leave());
}

TEST(BatchMessages, ArriveAsTheyWereSent) {
  const WorkerReport report{.interrupted = true,
                            .last = false,
                            .results = {{3, "record\n", "", 12}, {7, "bad\n", "in:8: why", 0}}};
  EXPECT_EQ(UnpackReport(Pack(report)), report);
  const Assignment assignment{.end = true, .lines = {{5, std::string("a\0b", 3), "in:6"}}};
  EXPECT_EQ(UnpackAssignment(Pack(assignment)), assignment);
  auto bytes = Pack(assignment);
  bytes.pop_back();
  EXPECT_THROW(UnpackAssignment(bytes), Error);
  bytes = Pack(report);
  bytes.push_back({});
  EXPECT_THROW(UnpackReport(bytes), Error);
}

}  // namespace
}  // namespace lockstep
