// `--tp N` as a user meets it: output, input, arguments, interrupts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "comm/mpi/mpi_probe.h"
#include "tests/multi_rank/processes/probe.h"

namespace lockstep::testing {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// A hung world takes minutes; a busy machine does not take this long.
constexpr double kSoonSeconds = 30;

class SpawnWorld : public ::testing::TestWithParam<std::string> {
 protected:
  std::string ranks() const { return GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(Ranks, SpawnWorld, ::testing::Values("1", "2", "3"),
                         [](const auto& test) { return "On" + test.param; });

TEST_P(SpawnWorld, RunsThatManyRanks) {
  const auto result = Probe({ranks(), "sum"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "sum over " + ranks() + " ranks\n");
  EXPECT_THAT(result.errors, IsEmpty());
}

TEST_P(SpawnWorld, PassesEveryArgumentAsItIs) {
  const auto result =
      Probe({ranks(), "arguments", "0", "60", ":", "", "a b", "::", "$HOME", "'\"\\", "-n", "*"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, HasSubstr("[:]\n[]\n[a b]\n[::]\n[$HOME]\n['\"\\]\n[-n]\n[*]\n"));
}

TEST_P(SpawnWorld, CarriesInputAndOutputByteForByte) {
  std::string bytes;
  for (int i = 0; i < 5'000'000; ++i) bytes += static_cast<char>(i * 7 % 256);
  const auto result = Probe({ranks(), "echo"}, bytes);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.output == bytes) << result.output.size() << " bytes";
}

TEST_P(SpawnWorld, ReadsAPipe) {
  const auto result = ProbeScript("cat | $PROBE " + ranks() + " echo", "one\ntwo\n");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "one\ntwo\n");
}

TEST_P(SpawnWorld, ReadsOnFromWhereItsInputStands) {
  const auto result = ProbeScript("read line; $PROBE " + ranks() + " echo", "one\ntwo\n");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "two\n");
}

TEST_P(SpawnWorld, LeavesInputAloneThatItDoesNotRead) {
  const auto result = ProbeScript("while read line; do $PROBE " + ranks() + " sum; done", "1\n2\n");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 2);
}

TEST_P(SpawnWorld, ReturnsTheExitCodeOfItsRanks) {
  EXPECT_EQ(Probe({ranks(), "code", "3"}).exit_code, 3);
  EXPECT_EQ(Probe({ranks(), "code", "1"}).exit_code, 1);
}

TEST_P(SpawnWorld, TellsWhereItsRanksAreWhenAsked) {
  const auto result = Probe({ranks(), "debug"});
  for (int rank = 0; rank < std::stoi(ranks()); ++rank) {
    EXPECT_THAT(result.errors, HasSubstr("rank " + std::to_string(rank) + " of " + ranks()));
  }
  EXPECT_THAT(result.errors, HasSubstr("/dev/shm has "));
}

class Interrupt : public ::testing::TestWithParam<std::pair<std::string, int>> {};

INSTANTIATE_TEST_SUITE_P(Signals, Interrupt,
                         ::testing::Values(std::pair{"1", SIGINT}, std::pair{"3", SIGINT},
                                           std::pair{"1", SIGTERM}, std::pair{"3", SIGTERM},
                                           std::pair{"2", SIGHUP}),
                         [](const auto& test) {
                           return "Signal" + std::to_string(test.param.second) + "On" +
                                  test.param.first;
                         });

TEST_P(Interrupt, LetsTheRanksFinishTheirStep) {
  const auto& [ranks, signal_number] = GetParam();
  ChildProcess child(StartedProbe({ranks, "loop"}));
  ASSERT_THAT(child.WaitForLine("step 3"), Not(IsEmpty()));
  child.Signal(signal_number);
  const auto result = child.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.output, ::testing::EndsWith("\nstopped\n"));
  EXPECT_THAT(result.errors, AllOf(StartsWith("lockstep: interrupted; "), EndsWith("at once)\n")));
  EXPECT_LT(result.seconds, kSoonSeconds);
}

TEST(SpawnedWorld, EndsAtOnceAtTheSecondInterrupt) {
  // The last rank does not take part any more, so that no step can be finished.
  ChildProcess child(StartedProbe({"2", "late", "1"}));
  ASSERT_THAT(child.WaitForLine("step 4"), Not(IsEmpty()));
  child.Signal(SIGINT);
  ::usleep(300'000);
  child.Signal(SIGINT);
  const auto result = child.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.errors, AllOf(StartsWith("lockstep: interrupted; "), EndsWith("at once)\n")));
  EXPECT_LT(result.seconds, kSoonSeconds);
}

TEST(SpawnedWorld, HearsAnInterruptThatComesWhileItStarts) {
  for (const int milliseconds : {5, 50, 100, 200, 400}) {
    ChildProcess child(StartedProbe({"2", "loop"}));
    ::usleep(static_cast<unsigned>(milliseconds) * 1000);
    child.Signal(SIGTERM);
    const auto result = child.Wait();
    // Before this program has taken the signal over, it dies by it.
    EXPECT_THAT(result.exit_code, ::testing::AnyOf(130, 128 + SIGTERM)) << milliseconds << " ms";
    if (result.exit_code != 130) continue;
    EXPECT_THAT(result.errors, AllOf(StartsWith("lockstep: interrupted; "), EndsWith("at once)\n")))
        << milliseconds << " ms";
  }
}

TEST(SpawnedWorld, EndsQuietlyWhenItsReaderHasSeenEnough) {
  ChildProcess child(StartedProbe({"2", "loop"}));
  ASSERT_THAT(child.WaitForLine("step 3"), Not(IsEmpty()));
  child.CloseOutput();
  const auto result = child.Wait();
  EXPECT_EQ(result.exit_code, 128 + SIGPIPE);
  EXPECT_THAT(result.errors, IsEmpty());
}

TEST(SpawnedWorld, RefusesAWorldOfAnotherSizeInOneMessage) {
  const auto result = ProbeUnderMpirun({"2", "sum"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.errors,
            "lockstep: error: --tp 2 was asked for, but this is a world of 3; start it with "
            "mpirun -n 2, or leave --tp out to use all ranks\n");
}

TEST(SpawnedWorld, UsesTheWorldItIsIn) {
  const auto result = ProbeUnderMpirun({"3", "sum"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "sum over 3 ranks\n");
}

TEST(SpawnedWorld, OutlivesAWriteToARankThatHasDied) {
  for (const char* rank : {"0", "1"}) {
    const auto result = Probe({"2", "broken-pipe", rank});
    EXPECT_EQ(result.exit_code, 0) << result.errors;
    EXPECT_EQ(result.output, "sum over 2 ranks\n");
  }
}

TEST(SpawnedWorld, AsksForMpirunWhereItIsMissing) {
  const auto result =
      ChildProcess(ChildProcess::Options{{RANK_PROBE, "2", "sum"}, "", {{"PATH", "/nowhere"}}})
          .Wait();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.errors, HasSubstr("install Open MPI"));
}

TEST(SpawnedWorld, SaysSoWhenSrunOffersNoWayToMeet) {
  const auto result =
      ChildProcess(
          ChildProcess::Options{{RANK_PROBE, "2", "sum"}, "", {{"SLURM_STEP_NUM_TASKS", "2"}}})
          .Wait();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.errors, HasSubstr("srun --mpi=pmix"));
}

// As `srun --mpi=pmi2` has it. Of several ranks the first one says it.
TEST(SpawnedWorld, SaysSoWhenMpiDoesNotKnowWhatSrunOffers) {
  if (MpiKnowsPmi2()) GTEST_SKIP() << "this MPI knows PMI-2";
  const auto rank = [](const char* number) {
    return ChildProcess(
               ChildProcess::Options{
                   {RANK_PROBE, "2", "sum"},
                   "",
                   {{"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", number}, {"PMI_RANK", number}}})
        .Wait();
  };
  const auto first = rank("0");
  EXPECT_EQ(first.exit_code, 3);
  EXPECT_THAT(first.errors, HasSubstr("offers them PMI-2, which this MPI does not know"));
  const auto second = rank("1");
  EXPECT_EQ(second.exit_code, 3);
  EXPECT_EQ(second.errors, "");
}

// Of the rank that has most of them.
int MessagesToStart(int world) {
  const auto result = Probe({std::to_string(world), "mpi-messages"});
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  constexpr std::string_view kWord = "messages ";
  EXPECT_THAT(result.output, StartsWith(std::string(kWord)));
  if (!result.output.starts_with(kWord)) return 0;
  return std::stoi(result.output.substr(kWord.size()));
}

TEST(SpawnedWorlds, StartByAsManyMessagesMoreWithEachDoubling) {
  const int four = MessagesToStart(4);
  const int eight = MessagesToStart(8);
  const int sixteen = MessagesToStart(16);
  EXPECT_GT(four, 0);
  EXPECT_EQ(sixteen - eight, eight - four) << four << ", " << eight << ", " << sixteen;
}

}  // namespace
}  // namespace lockstep::testing
