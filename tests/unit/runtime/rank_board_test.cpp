#include "runtime/world/rank_board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "core/error.h"
#include "core/files/file.h"
#include "runtime/spawn/child_watch.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(RankBoard, StartsWithAbsentRanks) {
  const auto board = RankBoard::Create(3);
  EXPECT_EQ(board->ranks(), 3);
  EXPECT_EQ(board->parent(), ::getpid());
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(board->slot(rank).state, RankState::kAbsent);
    EXPECT_STREQ(board->slot(rank).host, "");
  }
  EXPECT_THROW(board->slot(3), Error);
  EXPECT_THROW(RankBoard::Create(1'000'000), Error);
}

TEST(RankBoard, IsSharedWithWhoeverFindsItsAddress) {
  const auto board = RankBoard::Create(2);
  ::setenv(RankBoard::kVariable, board->address().c_str(), 1);
  const auto seen = RankBoard::OpenFromEnvironment();
  ::unsetenv(RankBoard::kVariable);
  ASSERT_NE(seen, nullptr);
  seen->slot(1).state = RankState::kRunning;
  WriteField(seen->slot(1).activity, "loading weights");
  board->stop() = 1;
  EXPECT_EQ(board->slot(1).state, RankState::kRunning);
  EXPECT_STREQ(board->slot(1).activity, "loading weights");
  EXPECT_TRUE(seen->stop());
}

TEST(RankBoard, IsNotMistakenForAnotherFile) {
  EXPECT_EQ(RankBoard::OpenFromEnvironment(), nullptr);
  for (const char* address : {"", "/proc/self/exe", "/dev/null", "/tmp", "/no/such/file"}) {
    ::setenv(RankBoard::kVariable, address, 1);
    EXPECT_EQ(RankBoard::OpenFromEnvironment(), nullptr) << address;
  }
  ::unsetenv(RankBoard::kVariable);
}

TEST(RankBoard, IsNotMistakenForItsOwnBeginning) {
  const auto board = RankBoard::Create(2);
  const TemporaryFolder folder;
  const std::string beginning = folder / "beginning";
  WriteText(beginning, ReadFile(board->address()).substr(0, 64));
  ::setenv(RankBoard::kVariable, beginning.c_str(), 1);
  EXPECT_EQ(RankBoard::OpenFromEnvironment(), nullptr);
  ::unsetenv(RankBoard::kVariable);
}

TEST(RankBoard, CutsTextsToTheirField) {
  char field[5];
  WriteField(field, "abc");
  EXPECT_STREQ(field, "abc");
  WriteField(field, "abcdefgh");
  EXPECT_STREQ(field, "abcd");
}

class ReportEndTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int rank = 0; rank < 3; ++rank) {
      board_->slot(rank).state = RankState::kRunning;
      WriteField(board_->slot(rank).host, "node" + std::to_string(rank));
      WriteField(board_->slot(rank).activity, "decoding (step 17)");
    }
  }
  int Exit(int code) { return Report({.wait_status = W_EXITCODE(code, 0)}); }
  int Report(const ChildEnd& end) {
    ::testing::internal::CaptureStderr();
    const int code = ReportEnd(end, *board_);
    text_ = ::testing::internal::GetCapturedStderr();
    return code;
  }
  std::unique_ptr<RankBoard> board_ = RankBoard::Create(3);
  std::string text_;
};

TEST_F(ReportEndTest, NamesTheRankThatWasNotToldToEnd) {
  board_->slot(0).told_to_end = 1;
  board_->slot(2).told_to_end = 1;
  EXPECT_EQ(Exit(128 + SIGKILL), 4);
  EXPECT_THAT(text_, HasSubstr("rank 1 on node1 was killed by signal 9 (Killed) while decoding "
                               "(step 17)"));
  EXPECT_THAT(text_, AllOf(Not(HasSubstr("node0")), Not(HasSubstr("node2"))));
}

TEST_F(ReportEndTest, NamesTheRankThatMpirunNamesAmongThoseThatItHasKilled) {
  EXPECT_EQ(Report({.wait_status = W_EXITCODE(128 + SIGKILL, 0), .ended_rank = 2}), 4);
  EXPECT_THAT(text_, HasSubstr("rank 2 on node2 was killed by signal 9"));
  EXPECT_THAT(text_, AllOf(Not(HasSubstr("node0")), Not(HasSubstr("node1"))));
}

TEST_F(ReportEndTest, NamesTheSignalEvenWhereNoRankCanBeNamed) {
  for (int rank = 0; rank < 3; ++rank) board_->slot(rank).told_to_end = 1;
  EXPECT_EQ(Exit(128 + SIGSEGV), 4);
  EXPECT_THAT(text_, HasSubstr("one of 3 ranks was killed by signal 11"));
}

TEST_F(ReportEndTest, LeavesTheWordToARankThatHasSpoken) {
  board_->slot(1).state = RankState::kReported;
  EXPECT_EQ(Exit(2), 2);
  EXPECT_THAT(text_, IsEmpty());
}

TEST_F(ReportEndTest, ReturnsWhatTheRanksLeft) {
  for (int rank = 0; rank < 3; ++rank) board_->slot(rank).state = RankState::kDone;
  EXPECT_EQ(Exit(0), 0);
  board_->slot(2).exit_code = 5;
  board_->slot(1).exit_code = 3;
  EXPECT_EQ(Exit(0), 3);
  EXPECT_THAT(text_, IsEmpty());
}

TEST_F(ReportEndTest, SaysThatNothingHasStarted) {
  board_ = RankBoard::Create(2);
  EXPECT_EQ(Exit(1), 3);
  EXPECT_THAT(text_, HasSubstr("before any rank had started"));
}

TEST_F(ReportEndTest, ShowsWhatMpirunSaysWhereNoRankCan) {
  board_ = RankBoard::Create(2);
  EXPECT_EQ(Report({.wait_status = W_EXITCODE(1, 0),
                    .explanation = "Too few slots.\n\n",
                    .remarks = "[host] no pipes\n"}),
            3);
  EXPECT_THAT(text_, HasSubstr("before any rank had started; `mpirun -n 2 hostname`"));
  EXPECT_THAT(text_, HasSubstr("mpirun says:\nToo few slots.\n\n[host] no pipes\n"));
}

TEST_F(ReportEndTest, SaysThatNoRankStartedInTime) {
  board_ = RankBoard::Create(2);
  const ChildEnd end{.wait_status = W_EXITCODE(0, SIGKILL), .seconds_without_rank = 3};
  EXPECT_EQ(Report(end), 3);
  EXPECT_THAT(text_, HasSubstr("mpirun has started no rank within 3 s"));
}

TEST_F(ReportEndTest, NamesTheRankThatSomebodyElseHasStopped) {
  for (int rank = 0; rank < 3; ++rank) board_->slot(rank).state = RankState::kDone;
  board_->slot(0).exit_code = 130;
  board_->slot(1).signal = SIGTERM;
  EXPECT_EQ(Exit(0), 130);
  EXPECT_THAT(text_, HasSubstr("rank 1 on node1 got signal 15 (Terminated)"));
  EXPECT_EQ(std::count(text_.begin(), text_.end(), '\n'), 1);
  EXPECT_EQ(Exit(130), 130);
  EXPECT_THAT(text_, HasSubstr("rank 1 on node1 got signal 15"));
}

TEST_F(ReportEndTest, SaysThatMpirunWasToldToEnd) {
  for (int rank = 0; rank < 3; ++rank) board_->slot(rank).told_to_end = 1;
  for (const int code : {1, 130}) {
    EXPECT_EQ(Exit(code), 130);
    EXPECT_THAT(text_, HasSubstr("mpirun was told to end"));
  }
}

TEST_F(ReportEndTest, TakesTheRanksWordWhereMpirunDoesNotEnd) {
  const ChildEnd end{.wait_status = W_EXITCODE(0, SIGKILL), .stuck = true};
  EXPECT_EQ(Report(end), 4);
  EXPECT_THAT(text_, HasSubstr("all ranks have ended, but mpirun had not"));
  for (int rank = 0; rank < 3; ++rank) board_->slot(rank).state = RankState::kDone;
  EXPECT_EQ(Report(end), 0);
  EXPECT_THAT(text_, IsEmpty());
}

TEST_F(ReportEndTest, SaysThatItsOutputCannotBeWritten) {
  EXPECT_EQ(Report({.wait_status = W_EXITCODE(0, 0), .output_error = ENOSPC}), 3);
  EXPECT_THAT(text_, HasSubstr("standard output: cannot be written: No space left on device"));
}

TEST_F(ReportEndTest, NamesMpirunWhenItWasKilled) {
  EXPECT_EQ(Report({.wait_status = W_EXITCODE(0, SIGKILL)}), 4);
  EXPECT_THAT(text_, HasSubstr("mpirun was killed by signal 9"));
}

TEST_F(ReportEndTest, KeepsARanksWordWhereMpirunCrashesAfterIt) {
  board_->slot(1).exit_code = 2;
  board_->slot(1).state = RankState::kReported;
  EXPECT_EQ(Report({.wait_status = W_EXITCODE(0, SIGSEGV)}), 2);
  EXPECT_THAT(text_, IsEmpty());
  EXPECT_EQ(Report({.wait_status = W_EXITCODE(0, SIGKILL), .stuck = true}), 2);
}

TEST_F(ReportEndTest, IsSilentAfterAnInterrupt) {
  for (const int status : {W_EXITCODE(130, 0), W_EXITCODE(128 + SIGKILL, 0), W_EXITCODE(0, 9),
                           W_EXITCODE(1, 0), W_EXITCODE(143, 0)}) {
    EXPECT_EQ(Report({.wait_status = status, .interrupted = true}), 130);
    EXPECT_THAT(text_, IsEmpty());
  }
}

}  // namespace
}  // namespace lockstep
