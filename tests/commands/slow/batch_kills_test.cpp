// 2,000 prompts, killed at 20 random moments: the launcher, mpirun or a rank, or all of them.
#include "../batch_fixture.h"

namespace lockstep {
namespace {

TEST_F(BatchTest, TwoThousandPromptsSurviveTwentyKills) {
  WriteInput(2000);
  ExpectTheSameAfterKills(20, {}, 3000);
}

TEST_F(BatchTest, TwoThousandPromptsSurviveTwentyKillsOnTwoRanks) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteInput(2000);
  ExpectTheSameAfterKills(20, {"--tp", "2"}, 6000);
}

TEST_F(BatchTest, TwoThousandPromptsSurviveTwentyKillsInTwoGroups) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  WriteInput(2000);
  ExpectTheSameAfterKills(20, {"--dp", "2"}, 6000);
}

}  // namespace
}  // namespace lockstep
