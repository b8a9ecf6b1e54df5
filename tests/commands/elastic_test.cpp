// `--elastic`: a batch job goes on with new ranks, and with fewer, when some have died.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>

#include <chrono>
#include <optional>
#include <thread>

#include "batch_fixture.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class ElasticJob : public BatchTest {
 protected:
  void SetUp() override {
    if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  }

  // The process of rank 1 of this test's job, in the world that has this layout.
  std::optional<pid_t> RankOne(const std::string& layout) const {
    for (const pid_t process : Descendants(::getpid())) {
      const std::string folder = "/proc/" + std::to_string(process);
      std::string environment;
      try {
        environment = ReadFile(folder + "/environ");
      } catch (const std::exception&) {  // it has just ended
        continue;
      }
      const auto has = [&](const std::string& word) {
        return environment.find(word + std::string(1, '\0')) != environment.npos;
      };
      if (has("LOCKSTEP_LAYOUT=" + layout) && has("OMPI_COMM_WORLD_RANK=1")) return process;
    }
    return std::nullopt;
  }

  // Kills rank 1 as soon as it is there and has had a moment to begin.
  void Kill(const std::string& layout) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    auto process = RankOne(layout);
    for (; !process && std::chrono::steady_clock::now() < end; process = RankOne(layout))
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_TRUE(process) << layout;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ::kill(*process, SIGKILL);
  }

  // What a job says whose rank 1 is killed in each of these worlds. Its output is as without kills.
  std::string ErrorsAfterKills(std::vector<std::string> flags,
                               const std::vector<std::string>& layouts) const {
    WriteInput(2000);  // more than a world gets done before it is killed
    const std::string expected = Uninterrupted();
    flags.emplace_back("--elastic");
    std::vector<std::string> command = Command(std::move(flags));
    std::erase(command, "--quiet");
    Outcome run;
    std::thread job([&] { run = RunLockstep(command); });
    for (const std::string& layout : layouts) Kill(layout);
    job.join();
    EXPECT_EQ(run.exit_code, 2) << run.errors;  // some lines are bad
    EXPECT_EQ(ReadFile(Path("out.jsonl")), expected);
    return run.errors;
  }
};

TEST_F(ElasticJob, GoesOnWithNewRanksAndThenWithFewer) {
  const std::string errors = ErrorsAfterKills({"--tp", "4"}, {"4 1 1 0", "4 1 1 1"});
  EXPECT_THAT(errors, HasSubstr("--elastic: starting again with 4 ranks"));
  EXPECT_THAT(errors, HasSubstr("--elastic: starting again with 2 ranks"));
}

TEST_F(ElasticJob, LeavesOutACopyFirst) {
  EXPECT_THAT(ErrorsAfterKills({"--dp", "2", "--restart"}, {"1 1 2 0", "1 1 2 1"}),
              HasSubstr("--elastic: starting again with 1 rank\n"));
}

TEST_F(ElasticJob, IsRefusedWhereNothingCouldGoOn) {
  WriteInput(3);
  EXPECT_THAT(RunLockstep({"generate", "--model", "x", "--prompt", "a", "--elastic"}).errors,
              HasSubstr("generate: --elastic needs files for --input and --output"));
  EXPECT_THAT(RunLockstep(Command({"--elastic"})).errors,
              HasSubstr("--elastic: there is one rank only; expected --tp N, --pp P or --dp D"));
  EXPECT_THAT(RunUnderMpirun(2, Command({"--elastic"})).errors,
              HasSubstr("start lockstep without it, with --tp, --pp or --dp"));
}

}  // namespace
}  // namespace lockstep
