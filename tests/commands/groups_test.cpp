// `lockstep generate --input --dp D`: groups of ranks that share the lines of a batch job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <fstream>
#include <regex>
#include <thread>

#include "batch_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class GroupsTest : public BatchTest {
 protected:
  void SetUp() override {
    if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  }
};

TEST_F(GroupsTest, GiveTheOutputOfOneGroup) {
  WriteInput(60);
  const std::string expected = Uninterrupted();
  for (const std::vector<std::string>& shape :
       {std::vector<std::string>{"--dp", "2"},
        {"--dp", "2", "--tp", "2"},
        {"--dp", "3", "--tp", "1", "--set", "comm.shared_memory=off"}}) {
    const Outcome run = RunLockstep(Command(shape));
    EXPECT_EQ(run.exit_code, 2) << run.errors;
    EXPECT_THAT(run.errors, HasSubstr("4 of 60 lines could not be used: see \"error\" in their "
                                      "records; the first: " +
                                      Path("in.jsonl") + ":6: unknown field"));
    EXPECT_EQ(ReadFile(Path("out.jsonl")), expected);
    std::filesystem::remove(Path("out.jsonl"));
  }
}

TEST_F(GroupsTest, AllHaveLinesToWorkAt) {
  WriteInput(60);
  std::vector<std::string> command = Command({"--dp", "2", "--verbose"});
  std::erase(command, "--quiet");
  const Outcome run = RunLockstep(command);
  std::smatch found;
  ASSERT_TRUE(std::regex_search(run.errors, found,
                                std::regex("60 of 60 lines \\(2 groups: (\\d+) \\+ (\\d+)\\)")))
      << run.errors;
  EXPECT_GE(std::stoi(found[1]), 10);
  EXPECT_GE(std::stoi(found[2]), 10);
}

TEST_F(GroupsTest, GoOnAfterKillsAsIfNothingHadBeen) {
  WriteInput(300);
  ExpectTheSameAfterKills(4, {"--dp", "2"});
}

TEST_F(GroupsTest, TakeUpWhatAnotherNumberOfRanksHasLeft) {
  WriteInput(300);
  const std::string expected = Uninterrupted();
  // Killed later and later, until it has left something; unless it was done already.
  for (int wait = 100; !Exists("out.jsonl.journal") || ReadFile(Path("out.jsonl.journal")).empty();
       wait += wait / 4) {
    ASSERT_LT(wait, 100'000);
    RunAndKill(Command(), wait, Victim::kStarted);
    if (std::filesystem::remove(Path("out.jsonl"))) wait /= 2;
  }
  const Outcome rest = RunLockstep(Command({"--dp", "2", "--tp", "2"}));
  EXPECT_EQ(rest.exit_code, 2) << rest.errors;
  EXPECT_EQ(ReadFile(Path("out.jsonl")), expected);
}

TEST_F(GroupsTest, AreRefusedWhereThereIsNothingToShareOrTheyDoNotFit) {
  WriteInput(3);
  EXPECT_THAT(RunLockstep({"generate", "--model", "x", "--dp", "2", "--prompt", "a"}).errors,
              HasSubstr("--dp is 2; expected 1: groups share the lines of --input only"));
  const Outcome three = RunUnderMpirun(3, Command({"--dp", "2"}));
  EXPECT_EQ(three.exit_code, 2);
  EXPECT_THAT(three.errors, HasSubstr("a world of 3 cannot be divided into 2 groups"));
  const Outcome tp = RunUnderMpirun(2, Command({"--dp", "2", "--tp", "2"}));
  EXPECT_THAT(tp.errors, HasSubstr("--dp 2 --tp 2 ask for 4 ranks, but this is a world of 2"));
}

TEST_F(GroupsTest, ANamedPipeIsReadByOneRankAlone) {
  WriteInput(30);
  const std::string input = ReadFile(Path("in.jsonl"));
  RunLockstep(Command());
  const std::string expected = ReadFile(Path("out.jsonl"));
  std::filesystem::remove(Path("out.jsonl"));
  std::filesystem::remove(Path("in.jsonl"));
  ASSERT_EQ(::mkfifo(Path("in.jsonl").c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(Path("in.jsonl")) << input; });
  const Outcome run = RunLockstep(Command({"--tp", "2"}));
  writer.join();
  EXPECT_EQ(run.exit_code, 2) << run.errors;
  EXPECT_EQ(ReadFile(Path("out.jsonl")), expected);
}

}  // namespace
}  // namespace lockstep
