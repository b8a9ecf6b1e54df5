#include "runtime/world/launcher_end.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lockstep {
namespace {

// How a process of this name ends that has a rank which fails, and is told to wait for nothing.
int EndOfLauncher(const char* name) {
  const pid_t launcher = ::fork();
  if (launcher == 0) {
    ::prctl(PR_SET_NAME, name);
    const pid_t rank = ::fork();
    if (rank == 0) {
      EndLauncherLater(50);
      ::_exit(4);
    }
    ::waitpid(rank, nullptr, 0);
    ::alarm(3);
    for (;;) ::pause();
  }
  int status = 0;
  ::waitpid(launcher, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

TEST(LauncherEnd, EndsAnMpirunThatDoesNotEndByItself) {
  EXPECT_EQ(EndOfLauncher("mpirun"), SIGKILL);
  EXPECT_EQ(EndOfLauncher("orted"), SIGKILL);
}

TEST(LauncherEnd, LeavesOthersAlone) { EXPECT_EQ(EndOfLauncher("slurmstepd"), SIGALRM); }

TEST(LauncherEnd, TakesWhatItHasStartedAlong) {
  int alive[2] = {};  // closed with the last of them
  ASSERT_EQ(::pipe(alive), 0);
  const pid_t launcher = ::fork();
  if (launcher == 0) {
    if (::fork() == 0) {
      EXPECT_EQ(::write(alive[1], "x", 1), 1);
      ::raise(SIGSTOP);
    }
    for (;;) ::pause();
  }
  ::close(alive[1]);
  char byte = 0;
  EXPECT_EQ(::read(alive[0], &byte, 1), 1);
  KillLauncher(launcher);
  EXPECT_EQ(::read(alive[0], &byte, 1), 0);
  ::close(alive[0]);
  ::waitpid(launcher, nullptr, 0);
}

TEST(LauncherEnd, KnowsLaunchersByTheirNames) {
  EXPECT_TRUE(IsLauncher("mpirun.openmpi"));
  EXPECT_TRUE(IsLauncher("prterun"));
  EXPECT_FALSE(IsLauncher("mpirunner"));
  EXPECT_FALSE(IsLauncher("bash"));
  EXPECT_FALSE(IsLauncher(""));
}

}  // namespace
}  // namespace lockstep
