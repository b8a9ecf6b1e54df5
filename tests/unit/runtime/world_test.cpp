#include "runtime/world/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/activity.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/rank_board.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

class WorldTest : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : kNames) ::unsetenv(name);
  }
  static void Set(const char* name, const char* value) { ::setenv(name, value, 1); }
  static constexpr const char* kNames[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK",    "PMI_RANK",
                                           "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_PROCID"};
};

TEST_F(WorldTest, KnowsTheLaunchersThatStartRanks) {
  EXPECT_FALSE(InsideWorld());
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    Set(name, "0");
    EXPECT_TRUE(InsideWorld()) << name;
    ::unsetenv(name);
  }
  Set("SLURM_STEP_NUM_TASKS", "4");
  EXPECT_TRUE(InsideWorld());
}

TEST_F(WorldTest, IsNotEnteredByABatchScript) {
  Set("SLURM_NTASKS", "4");
  Set("SLURM_PROCID", "0");
  EXPECT_FALSE(InsideWorld());
  Set("SLURM_STEP_NUM_TASKS", "1");  // srun --pty bash
  EXPECT_FALSE(InsideWorld());
}

TEST_F(WorldTest, OfOneRunsTheBodyAndReturnsItsCode) {
  int size = 0;
  const int code = RunWorld({}, [&](Communicator& comm) {
    size = comm.size();
    return 7;
  });
  EXPECT_EQ(code, 7);
  EXPECT_EQ(size, 1);
}

// RunWorld() on a body that throws: its exit code, and what it wrote to standard error.
template <typename Exception>
std::pair<int, std::string> Thrown(const Exception& exception) {
  ::testing::internal::CaptureStderr();
  const int code = RunWorld({}, [&](Communicator&) -> int { throw exception; });
  return {code, ::testing::internal::GetCapturedStderr()};
}

TEST_F(WorldTest, OfOneSaysAnErrorOnceAndReturnsItsCode) {
  EXPECT_EQ(Thrown(BadInput("no such model")),
            std::pair(2, std::string("lockstep: error: no such model\n")));
  EXPECT_EQ(Thrown(std::bad_alloc()),
            std::pair(3, std::string("lockstep: error: out of memory\n")));
  const auto [code, text] = Thrown(std::logic_error("what"));
  EXPECT_EQ(code, 1);
  EXPECT_THAT(text, HasSubstr("unexpected: what; please report this"));
}

TEST_F(WorldTest, OfOneRefusesToBeMore) {
  ::testing::internal::CaptureStderr();
  bool ran = false;
  WorldConfig config;
  config.expected_ranks = 2;
  const int code = RunWorld(config, [&](Communicator&) {
    ran = true;
    return 0;
  });
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("--tp 2 was asked for, but this is a world of 1"));
  EXPECT_EQ(code, 2);
  EXPECT_FALSE(ran);
}

// In a process of its own: a request to stop cannot be taken back.
TEST(InterruptDeathTest, SetsAFlagAndAgreeSpreadsIt) {
  EXPECT_EXIT(std::exit(RunWorld({},
                                 [](Communicator& comm) {
                                   if (InterruptRequested()) return 1;
                                   FinishStepsOnInterrupt();
                                   ::raise(SIGUSR1);
                                   if (!InterruptRequested()) return 1;
                                   Agree(comm, "loading", [] {});
                                   return 0;
                                 })),
              ::testing::ExitedWithCode(130), "lockstep: interrupted; finishing the step");
}

TEST(InterruptDeathTest, EndsAtOnceWhatHasNoStepToFinish) {
  EXPECT_EXIT(
      {
        InstallInterruptHandlers();
        AnnounceInterrupts();
        ::raise(SIGTERM);
        std::exit(1);
      },
      ::testing::ExitedWithCode(130), "^lockstep: interrupted\n$");
}

TEST(InterruptDeathTest, EndsTheProcessAtTheSecondRequest) {
  EXPECT_EXIT(
      {
        InstallInterruptHandlers();
        FinishStepsOnInterrupt();
        ::raise(SIGINT);
        ::usleep(200'000);
        ::raise(SIGTERM);
        std::exit(1);
      },
      ::testing::ExitedWithCode(130), "^$");
}

TEST(InterruptDeathTest, TakesSignalsThatComeTogetherForOneRequest) {
  EXPECT_EXIT(
      {
        InstallInterruptHandlers();
        AnnounceInterrupts();
        FinishStepsOnInterrupt("answering");
        ::raise(SIGTERM);
        ::raise(SIGTERM);
        ::raise(SIGINT);
        std::exit(InterruptRequested() ? 7 : 1);
      },
      ::testing::ExitedWithCode(7),
      "^lockstep: interrupted; answering \\(a second signal ends at once\\)\n$");
}

// A process of its own, started by this one, that shares the marks of a board's only rank.
class MarkedRank : public ::testing::Test {
 protected:
  // What it does after its parent, or itself, has sent it the signal; returns its exit code.
  enum class Sender { kParent, kItself };
  enum class Work { kNone, kSteps };
  int ExitCodeAfter(int signal_number, Sender sender, Work work) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      InstallInterruptHandlers();
      RankSlot& slot = board_->slot(0);
      ShareInterrupts({&board_->stop(), &slot.told_to_end, &slot.signal});
      if (work == Work::kSteps) FinishStepsOnInterrupt();
      if (sender == Sender::kItself) ::raise(signal_number);
      [[maybe_unused]] const auto written = ::write(ready[1], "x", 1);
      if (sender == Sender::kParent) ::sleep(30);
      ::_exit(InterruptRequested() ? 7 : 8);
    }
    char byte = 0;
    ::close(ready[1]);
    const bool lives = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
    if (lives && sender == Sender::kParent) ::kill(child, signal_number);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }
  std::unique_ptr<RankBoard> board_ = RankBoard::Create(1);
};

TEST_F(MarkedRank, EndsAtOnceWhenItsMpirunEndsTheWorld) {
  EXPECT_EQ(ExitCodeAfter(SIGTERM, Sender::kParent, Work::kSteps), 130);
  EXPECT_EQ(board_->slot(0).told_to_end, 1u);
  EXPECT_EQ(board_->slot(0).signal, 0);
}

TEST_F(MarkedRank, FinishesItsStepWhenSomebodyElseAsksItToStop) {
  EXPECT_EQ(ExitCodeAfter(SIGTERM, Sender::kItself, Work::kSteps), 7);
  EXPECT_EQ(board_->slot(0).told_to_end, 0u);
  EXPECT_EQ(board_->slot(0).signal, SIGTERM);
  EXPECT_EQ(board_->stop(), 1u);
}

TEST_F(MarkedRank, EndsAtOnceWhenAskedBeforeItHasWork) {
  EXPECT_EQ(ExitCodeAfter(SIGINT, Sender::kItself, Work::kNone), 130);
  EXPECT_EQ(board_->slot(0).signal, SIGINT);
}

TEST_F(MarkedRank, HearsThatAnotherRankHasBeenAsked) {
  board_->stop() = 1;
  EXPECT_EQ(ExitCodeAfter(SIGURG, Sender::kItself, Work::kSteps), 7);
}

}  // namespace
}  // namespace lockstep
