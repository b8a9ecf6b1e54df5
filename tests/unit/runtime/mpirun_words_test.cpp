#include "runtime/spawn/mpirun_words.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace lockstep {
namespace {

using ::testing::IsEmpty;

const std::string kFrame = std::string(74, '-') + "\n";

TEST(MpirunWords, PassOnWhatRanksSay) {
  MpirunWords words;
  EXPECT_EQ(words.Pass("lockstep: error: no\nplain"), "lockstep: error: no\nplain");
  EXPECT_EQ(words.Pass(" text\n--\n- a list\n"), " text\n--\n- a list\n");
  EXPECT_THAT(words.explanation(), IsEmpty());
}

TEST(MpirunWords, PassOnALineThatIsWrittenOverAtOnce) {
  MpirunWords words;
  EXPECT_EQ(words.Pass("\rlockstep: loading weights 1/12"), "\rlockstep: loading weights 1/12");
  EXPECT_EQ(words.Pass("\rlockstep: loading weights 2/12"), "\rlockstep: loading weights 2/12");
  EXPECT_EQ(words.Pass("\n"), "\n");
}

TEST(MpirunWords, KeepWhatMpirunExplainsHoweverItIsCut) {
  const std::string all =
      "before\n" + kFrame + "There are not enough slots.\n\nGive it more.\n" + kFrame + "after\n";
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    MpirunWords words;
    std::string passed = words.Pass(all.substr(0, cut));
    passed += words.Pass(all.substr(cut));
    passed += words.Finish();
    EXPECT_EQ(passed, "before\nafter\n") << cut;
    EXPECT_EQ(words.explanation(), "There are not enough slots.\n\nGive it more.\n") << cut;
  }
}

TEST(MpirunWords, DropTheNewsThatRanksEnded) {
  MpirunWords words;
  words.Pass(kFrame +
             "mpirun noticed that process rank 1 with PID 7 on node b exited on signal 9.\n" +
             kFrame);
  words.Pass(kFrame + "An MPI communication peer process has unexpectedly disconnected.  This\n" +
             kFrame);
  EXPECT_TRUE(words.ranks_ended());
  EXPECT_EQ(words.ended_rank(), 1);
  EXPECT_EQ(words.ended_host(), "b");
  EXPECT_EQ(words.Pass("mpirun.openmpi: Forwarding signal 10 to job\n"), "");
  EXPECT_EQ(words.Pass("[warn] Epoll MOD(1) on fd 21 failed: Bad file descriptor\n"), "");
  EXPECT_EQ(
      words.Pass("[node1:28] plm:rsh: Warning: setpgid(34,34) failed in parent with errno=13\n"),
      "");
  words.Pass("[host:12] 1 more process has sent help message help-mpi.txt / mpi_abort\n");
  EXPECT_THAT(words.explanation(), IsEmpty());
}

TEST(MpirunWords, KeepACrashOfMpirunAndPassOnThatOfARank) {
  const auto dump = [](int process) {
    return fmt::format(
        "[vm:{0}] *** Process received signal ***\n"
        "[vm:{0}] Signal: Segmentation fault (11)\n"
        "[vm:{0}] [ 0] /lib/libc.so.6(+0x3c050)[0x7f59194b7050]\n"
        "[vm:{0}] *** End of error message ***\n",
        process);
  };
  MpirunWords words;
  words.set_process(25098);
  EXPECT_EQ(words.Pass(dump(25098) + dump(5098) + dump(25099)), dump(5098) + dump(25099));
  EXPECT_EQ(words.remarks(), dump(25098));
}

TEST(MpirunWords, PassOnARankThatSpeaksInTheMiddleOfAnExplanation) {
  MpirunWords words;
  EXPECT_EQ(words.Pass(kFrame + "No room.\nlockstep: error: why\n" + kFrame),
            "lockstep: error: why\n");
  EXPECT_EQ(words.explanation(), "No room.\n");
}

TEST(MpirunWords, KeepAnExplanationThatBreaksOff) {
  MpirunWords words;
  words.Pass(kFrame + "No room");
  EXPECT_EQ(words.Finish(), "");
  EXPECT_EQ(words.explanation(), "No room");
}

}  // namespace
}  // namespace lockstep
