#include "runtime/world/last_words.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

namespace lockstep {
namespace {

class LastWordsOfRanks : public testing::Test {
 protected:
  void SetUp() override {
    if (inbox_.address().empty()) GTEST_SKIP() << "this host has no network";
    ::setenv(kLastWordsVariable, inbox_.address().c_str(), 1);
  }
  void TearDown() override { ::unsetenv(kLastWordsVariable); }

  // A process that is this rank, does that and is killed.
  static void KillAfter(int rank, const std::function<void(LastWords&)>& life) {
    const pid_t process = ::fork();
    if (process == 0) {
      LastWords words(rank);
      life(words);
      ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(process, &status, 0), process);
    ASSERT_TRUE(WIFSIGNALED(status));
  }

  // What that rank has been doing, once it is known.
  std::string AwaitActivity(int rank) {
    pollfd arrival{inbox_.descriptor(), POLLIN, 0};
    while (board_->slot(rank).host[0] == '\0' && ::poll(&arrival, 1, 30'000) == 1)
      inbox_.Receive(*board_);
    return board_->slot(rank).activity;
  }

  LastWordsInbox inbox_;
  std::unique_ptr<RankBoard> board_ = RankBoard::Create(3);
};

TEST_F(LastWordsOfRanks, ReachTheInbox) {
  KillAfter(2, [](LastWords& words) {
    words.SetActivity("loading weights");
    words.SetActivity("computing");
  });
  EXPECT_EQ(AwaitActivity(2), "computing");
  EXPECT_EQ(board_->slot(2).state, RankState::kAbsent) << "it has never seen the board";
}

TEST_F(LastWordsOfRanks, AreWithheldByOneThatHasSaidItself) {
  KillAfter(1, [](LastWords& words) {
    words.SetActivity("computing");
    words.Withhold();
  });
  KillAfter(2, [](LastWords& words) { words.SetActivity("waiting"); });
  EXPECT_EQ(AwaitActivity(2), "waiting");
  EXPECT_STREQ(board_->slot(1).host, "");
}

TEST_F(LastWordsOfRanks, DoNotChangeWhatTheBoardKnows) {
  board_->slot(0).state = RankState::kRunning;
  WriteField(board_->slot(0).activity, "loading weights");
  KillAfter(0, [](LastWords& words) { words.SetActivity("computing"); });
  KillAfter(2, [](LastWords& words) { words.SetActivity("waiting"); });
  EXPECT_EQ(AwaitActivity(2), "waiting");
  EXPECT_STREQ(board_->slot(0).activity, "loading weights");
}

TEST(LastWords, HaveNoReaderWhereNoneIsNamed) {
  for (const char* address : {"", "x", "1 2 3"}) {
    ::setenv(kLastWordsVariable, address, 1);
    LastWords words(0);
    words.SetActivity("computing");
    words.Withhold();
  }
  ::unsetenv(kLastWordsVariable);
}

}  // namespace
}  // namespace lockstep
