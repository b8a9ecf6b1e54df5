// 2,000 prompts, killed at 20 random moments: the launcher, mpirun, a rank, or all of them.
#include "../batch_fixture.h"

namespace lockstep {
namespace {

TEST_F(BatchTest, TwoThousandPromptsSurviveTwentyKills) {
  WriteInput(2000);
  ExpectTheSameAfterKills(20);
}

TEST_F(BatchTest, TwoThousandPromptsSurviveTwentyKillsOnTwoRanks) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteInput(2000);
  ExpectTheSameAfterKills(20, {"--tp", "2"});
}

TEST_F(BatchTest, TwoThousandPromptsSurviveTwentyKillsInTwoGroups) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteInput(2000);
  ExpectTheSameAfterKills(20, {"--dp", "2"});
}

}  // namespace
}  // namespace lockstep
