#include "runtime/spawn/spawn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

std::vector<std::string> PassedArguments(const std::vector<std::string>& given) {
  const auto command = MpirunCommand({"/usr/bin/mpirun", "/opt/lockstep", 3}, given);
  const auto binary = std::find(command.begin(), command.end(), "/opt/lockstep");
  return {binary + 1, command.end()};
}

TEST(MpirunCommand, StartsThatManyRanksUnbound) {
  const auto command =
      MpirunCommand({"/usr/bin/mpirun", "/opt/lockstep", 3}, std::vector<std::string>{"lockstep"});
  EXPECT_EQ(command.front(), "/usr/bin/mpirun");
  EXPECT_EQ(command.back(), "/opt/lockstep");
  EXPECT_THAT(command,
              IsSupersetOf({"-n", "3", "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"}));
}

TEST(MpirunCommand, PassesTheArgumentsBehindTheProgram) {
  EXPECT_THAT(PassedArguments({"lockstep", "generate", "--prompt", "a b", "", "-n"}),
              ElementsAre("generate", "--prompt", "a b", "", "-n"));
}

TEST(MpirunCommand, DisguisesTheColonThatWouldEndItsPart) {
  EXPECT_THAT(PassedArguments({"lockstep", "--prompt", ":"}),
              ElementsAre("--prompt", ::testing::Ne(":")));
  EXPECT_THAT(PassedArguments({"lockstep", "a:b", "::"}), ElementsAre("a:b", "::"));
}

TEST(RankArguments, AreTheUsersOwnOutsideAWorld) {
  const char* const argv[] = {"lockstep", "\x1f:", ":", ""};
  EXPECT_THAT(RankArguments(4, argv), ElementsAre("lockstep", "\x1f:", ":", ""));
}

TEST(RankArguments, AreUndisguisedInAWorldOfOurs) {
  ::setenv("LOCKSTEP_RANK_BOARD", "/proc/1/fd/3", 1);
  ::setenv("PMIX_RANK", "0", 1);
  const auto passed = PassedArguments({"lockstep", ":", "\x1f", "\x1f:", "plain"});
  std::vector<const char*> argv = {"lockstep"};
  for (const auto& argument : passed) argv.push_back(argument.c_str());
  EXPECT_THAT(RankArguments(static_cast<int>(argv.size()), argv.data()),
              ElementsAre("lockstep", ":", "\x1f", "\x1f:", "plain"));
  ::unsetenv("LOCKSTEP_RANK_BOARD");
  ::unsetenv("PMIX_RANK");
}

class FindProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/lockstep-find-XXXXXX";
    folder_ = ::mkdtemp(name);
    for (const char* sub : {"/a", "/b"}) std::filesystem::create_directory(folder_ + sub);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Put(const std::string& name, std::filesystem::perms permissions) {
    std::ofstream(folder_ + name) << "#!/bin/sh\n";
    std::filesystem::permissions(folder_ + name, permissions);
  }
  std::string Find(const std::vector<std::string>& names) const {
    return FindProgram(names, folder_ + "/a::" + folder_ + "/b:");
  }
  static constexpr auto kRunnable = std::filesystem::perms::owner_all;
  static constexpr auto kPlain = std::filesystem::perms::owner_read;
  std::string folder_;
};

TEST_F(FindProgramTest, TakesTheFirstFolderThatHasIt) {
  Put("/b/mpirun", kRunnable);
  EXPECT_EQ(Find({"mpirun"}), folder_ + "/b/mpirun");
  Put("/a/mpirun", kRunnable);
  EXPECT_EQ(Find({"mpirun"}), folder_ + "/a/mpirun");
}

TEST_F(FindProgramTest, PrefersEarlierNamesInTheFirstFolderThatHasOne) {
  Put("/a/mpirun", kRunnable);
  Put("/b/mpirun.openmpi", kRunnable);
  EXPECT_EQ(Find({"mpirun.openmpi", "mpirun"}), folder_ + "/a/mpirun");
  Put("/a/mpirun.openmpi", kRunnable);
  EXPECT_EQ(Find({"mpirun.openmpi", "mpirun"}), folder_ + "/a/mpirun.openmpi");
}

TEST_F(FindProgramTest, PassesOverWhatCannotBeRun) {
  Put("/a/mpirun", kPlain);
  std::filesystem::create_directory(folder_ + "/b/mpirun");
  EXPECT_EQ(Find({"mpirun"}), "");
}

}  // namespace
}  // namespace lockstep
