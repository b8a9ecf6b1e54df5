#include "runtime/world/last_words.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "comm/groups/hosts.h"
#include "runtime/world/interrupt.h"

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

// What the child of a rank in a group of its own writes, after the rank has done that and has been
// killed.
std::string WrittenBy(const std::function<void(LastWords&)>& life) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t process = ::fork();
  if (process == 0) {
    ::setpgid(0, 0);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    LastWords words(2, LastWords::Else::kStandardError);
    life(words);
    ::raise(SIGKILL);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[512];
  // Until the last process that has it closes it: the child.
  for (ssize_t bytes = 0; (bytes = ::read(ends[0], buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<std::size_t>(bytes));
  ::close(ends[0]);
  EXPECT_EQ(::waitpid(process, nullptr, 0), process);
  return text;
}

TEST(LastWords, GoToStandardErrorWhereOthersHaveStartedTheWorld) {
  EXPECT_EQ(
      WrittenBy([](LastWords& words) { words.SetActivity("computing"); }),
      "lockstep: error: rank 2 on " + HostName() + " has ended without a word while computing\n");
  EXPECT_EQ(WrittenBy([](LastWords&) {}),
            "lockstep: error: rank 2 on " + HostName() + " has ended without a word\n");
}

TEST(LastWords, AreNoNewsOfRanksThatSayItOrAreAskedToEnd) {
  EXPECT_EQ(WrittenBy([](LastWords& words) { words.Withhold(); }), "");
  EXPECT_EQ(WrittenBy([](LastWords&) { std::quick_exit(4); }), "") << "a watchdog has spoken";
  // As a launcher ends a rank that is stopped: the group hears of it, the rank does not.
  EXPECT_EQ(WrittenBy([](LastWords&) {
              ::signal(SIGTERM, SIG_IGN);
              ::kill(0, SIGTERM);
            }),
            "");
  EXPECT_EQ(WrittenBy([](LastWords&) {
              InstallInterruptHandlers();
              ::raise(SIGTERM);
            }),
            "");
}

TEST(LastWords, HaveNoReaderWhereNoneIsNamed) {
  for (const char* address : {"", "x", "1 2 3"}) {
    ::setenv(kLastWordsVariable, address, 1);
    LastWords words(0);
    EXPECT_FALSE(words.has_inbox());
    words.SetActivity("computing");
    words.Withhold();
  }
  ::unsetenv(kLastWordsVariable);
}

}  // namespace
}  // namespace lockstep
