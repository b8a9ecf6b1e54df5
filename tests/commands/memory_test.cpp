// What does not fit into memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::vector<std::string> Job(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {
      "generate", "--model", (SourceFolder() / "models/shakespeare-gptj").string(),
      "--input",  "-",       "--max-new-tokens",
      "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

constexpr const char* kLine = "{\"prompt\": \"O\"}\n";
constexpr const char* kHuge = "engine.cache_tokens=1099511627776";

TEST(Memory, ThatIsNotThereIsMissedBeforeAnythingIsLoaded) {
  const Outcome run = RunLockstep(Job({"--set", kHuge}), kLine);
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_EQ(run.output, "");
  EXPECT_THAT(run.errors,
              AllOf(HasSubstr("rank 0 on "), HasSubstr("(weights "), HasSubstr(" are free in "),
                    HasSubstr("--dtype bf16 needs "), HasSubstr("engine.cache_tokens")));
}

TEST(Memory, OfAllRanksOfAHostIsAddedUpAndMissedOnce) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Outcome run = RunLockstep(Job({"--tp", "2", "--set", kHuge}), kLine);
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, MatchesRegex("lockstep: error: 2 ranks on [^\n]*\n"));
}

TEST(Memory, IsNotLookedForWhereThatIsSwitchedOff) {
  const Outcome run = RunLockstep(
      Job({"--set", "engine.memory_check=off", "--set", "engine.cache_tokens=64"}), kLine);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
}

TEST(Memory, HasAFractionFromAHundredthToAll) {
  for (const char* wrong : {"0", "1.01", "-0.5", "nan", "much"}) {
    const Outcome run =
        RunLockstep(Job({"--set", std::string("engine.memory_fraction=") + wrong}), kLine);
    EXPECT_EQ(run.exit_code, 2) << wrong;
    EXPECT_THAT(run.errors, HasSubstr("expected a number from 0.01 to 1"));
  }
  EXPECT_EQ(RunLockstep(Job({"--set", "engine.memory_fraction=1"}), kLine).exit_code, 0);
}

}  // namespace
}  // namespace lockstep
