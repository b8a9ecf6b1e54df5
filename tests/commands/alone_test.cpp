// The program without MPI and hwloc, as -DLOCKSTEP_MPI=OFF -DLOCKSTEP_HWLOC=OFF leave it:
// lockstep_alone has what stands in for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

Outcome RunAlone(const std::vector<std::string>& arguments) {
  return RunScript("shift; exec '" LOCKSTEP_ALONE "' \"$@\"", arguments);
}

std::vector<std::string> Generate(const std::vector<std::string>& more) {
  std::vector<std::string> command = {
      "generate", "--model", SourceFolder() / "models/shakespeare-neox",
      "--prompt", "ROMEO:",  "--max-new-tokens",
      "12"};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

TEST(BuiltAlone, HoldsNothingOfTheLibrariesItDoesWithout) {
  const Outcome run = RunScript(
      "nm --dynamic --undefined-only '" LOCKSTEP_ALONE "' | grep -E ' (MPI|ompi|hwloc)_'", {});
  EXPECT_EQ(run.exit_code, 1) << "common code needs " << run.output;
  EXPECT_EQ(run.errors, "");
}

TEST(BuiltAlone, WritesTheSameText) {
  const Outcome run = RunAlone(Generate({}));
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, RunLockstep(Generate({})).output);
}

TEST(BuiltAlone, RefusesSeveralRanks) {
  const Outcome run = RunAlone(Generate({"--tp", "2"}));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("--tp 2 needs MPI, which this build leaves out"));
}

TEST(BuiltAlone, StartsNoSweepOverRanks) {
  const Outcome run = RunAlone(
      {"bench", "scaling", "--model", (SourceFolder() / "models/shakespeare-neox").string()});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("bench scaling: this build has no MPI"));
}

}  // namespace
}  // namespace lockstep
