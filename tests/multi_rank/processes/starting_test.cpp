// An mpirun that does not start the ranks, or could do so only with what is not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/multi_rank/processes/probe.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AnMpirun : public ::testing::Test {
 protected:
  // A program of this name, found before all others.
  void Put(const std::string& name, const std::string& script) const {
    std::ofstream(folder_ / name) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(folder_ / name, std::filesystem::perms::owner_all);
  }
  ChildProcess::Options Options(std::vector<std::string> arguments, const std::string& path) const {
    auto options = StartedProbe(std::move(arguments));
    options.environment.emplace_back("PATH", path);
    return options;
  }
  std::string PathBefore() const { return folder_.path().string() + ":" + std::getenv("PATH"); }
  TemporaryFolder folder_;
};

TEST_F(AnMpirun, ThatStartsNoRankIsGivenUp) {
  Put("mpirun", "sleep 300");
  const auto result = ChildProcess(Options({"2", "unstarted", "0", "1"}, PathBefore())).Wait();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.errors, HasSubstr("mpirun has started no rank within 1 s"));
  EXPECT_LT(result.seconds, 30);
}

TEST_F(AnMpirun, ThatDoesNotListenIsGivenUpToo) {
  Put("mpirun", "trap '' TERM USR1; while :; do sleep 1; done");
  const auto result = ChildProcess(Options({"2", "unstarted", "0", "1"}, PathBefore())).Wait();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_LT(result.seconds, 30);
}

TEST_F(AnMpirun, ThatStartsNoRankEndsAtAnInterrupt) {
  Put("mpirun", "trap '' TERM USR1; echo here; while :; do sleep 1; done");
  ChildProcess child(Options({"2", "sum"}, PathBefore()));
  ASSERT_EQ(child.WaitForLine("here"), "here");
  child.Signal(SIGINT);
  const auto result = child.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_LT(result.seconds, 30);
}

TEST_F(AnMpirun, SaysItselfWhyItFails) {
  const std::string frame(74, '-');
  Put("mpirun", "printf -- '" + frame + "\\nNo room for 2 ranks.\\n" + frame + "\\n' >&2; exit 9");
  const auto result = ChildProcess(Options({"2", "sum"}, PathBefore())).Wait();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.errors, HasSubstr("exit code 9 before any rank had started"));
  EXPECT_THAT(result.errors, HasSubstr("mpirun says:\nNo room for 2 ranks.\n"));
  EXPECT_THAT(result.errors, Not(HasSubstr("----")));
}

TEST_F(AnMpirun, NeedsNoWayToOtherHosts) {
  for (const char* name : {"mpirun", "orted", "prterun", "prted"}) {
    const auto found = std::filesystem::path(MPIRUN).parent_path() / name;
    if (std::filesystem::exists(found)) std::filesystem::create_symlink(found, folder_ / name);
  }
  const auto result = ChildProcess(Options({"2", "sum"}, folder_.path())).Wait();
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_EQ(result.output, "sum over 2 ranks\n");
}

TEST_F(AnMpirun, WithoutDescriptorsNeverHangs) {
  const auto result = ProbeScript("ulimit -n 24; exec $PROBE 2 unstarted 0 5", "");
  EXPECT_LT(result.seconds, 50);
  if (result.exit_code == 0) return;  // it made do with them
  EXPECT_THAT(result.exit_code, ::testing::AnyOf(3, 4)) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("lockstep"));
}

TEST(SpawnedOutput, ThatCannotBeWrittenIsSaid) {
  const auto result = ProbeScript("exec $PROBE 2 loop >/dev/full", "");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.errors,
            "lockstep: error: standard output: cannot be written: No space left on device\n");
}

}  // namespace
}  // namespace lockstep::testing
