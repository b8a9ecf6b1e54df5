// Worlds in which a rank fails: everybody ends soon, with the right exit code and one message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/multi_rank/processes/probe.h"

namespace lockstep::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// From a rank's death to the end of its world: what the project promises, and much more than it
// takes.
constexpr double kPromisedSeconds = 10;
// The same with starting and the deadlines of these tests before it, on a busy machine.
constexpr double kSoonSeconds = 30;

int Lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

// "pids LAUNCHER RANK0 RANK1 …", the probe's first line.
std::vector<pid_t> Pids(ChildProcess& child) {
  std::istringstream line(child.WaitForLine("pids "));
  std::string word;
  line >> word;
  std::vector<pid_t> pids;
  for (pid_t pid = 0; line >> pid;) pids.push_back(pid);
  return pids;
}

struct FailureCase {
  const char* name;
  std::vector<std::string> arguments;
  int exit_code;
  std::vector<std::string> message;  // parts of it
};

// For ctest's names.
std::ostream& operator<<(std::ostream& out, const FailureCase& failure) {
  return out << failure.name;
}

class OneFailingRank : public ::testing::TestWithParam<FailureCase> {};

TEST_P(OneFailingRank, EndsTheWorldSoonWithItsCodeAndOneMessage) {
  const FailureCase& expected = GetParam();
  const auto result = Probe(expected.arguments);
  EXPECT_EQ(result.exit_code, expected.exit_code);
  EXPECT_LT(result.seconds, kSoonSeconds);
  for (const auto& part : expected.message) EXPECT_THAT(result.errors, HasSubstr(part));
  EXPECT_EQ(Lines(result.errors), 1) << result.errors;
}

INSTANTIATE_TEST_SUITE_P(
    Ranks, OneFailingRank,
    ::testing::Values(
        FailureCase{"BadInputInTheMiddle",
                    {"3", "throw", "1"},
                    2,
                    {"lockstep[rank 1]: error: weights of layer 3 are torn (rank 1 on ",
                     ", while decoding (step 5))"}},
        FailureCase{"UnexpectedException",
                    {"2", "surprise", "0"},
                    1,
                    {"rank 0", "what was that", "please report this"}},
        FailureCase{"KilledLastRank",
                    {"3", "kill", "2"},
                    4,
                    {"lockstep: error: rank 2 on ", "killed by signal 9", "decoding (step 5)"}},
        FailureCase{"KilledFirstRank", {"2", "kill", "0"}, 4, {"rank 0 on ", "killed by signal 9"}},
        FailureCase{"SilentExit", {"2", "exit", "1"}, 4, {"rank 1 on ", "exit code 7", "step 5"}},
        FailureCase{"AbsentPeer",
                    {"3", "late", "1", "4"},
                    4,
                    {"all-reduce of 400 bytes", "rank 1 on ", "did not arrive within 4 s",
                     "decoding (step 5)"}},
        FailureCase{"AbsentPeerOfPeersInMemory",
                    {"4", "hosts-late", "3", "4"},
                    4,
                    {"lockstep[rank 0]: error: all-reduce of 256 bytes", ": rank 3 on ",
                     "did not arrive within 4 s (rank 0 on "}},
        FailureCase{"AbsentPeerOfPeersInTheNetwork",
                    {"4", "hosts-late", "2", "4"},
                    4,
                    {"lockstep[rank 0]: error: all-reduce of 256 bytes", ": rank 2 on ",
                     "did not arrive within 4 s (rank 0 on "}},
        FailureCase{
            "AbsentFirstRank",
            {"4", "hosts-late", "0", "4"},
            4,
            {"lockstep[rank 1]: error: ", ": rank 0 on ", "did not arrive within 4 s (rank 1 on "}},
        FailureCase{"AbsentPeerOverMpi",
                    {"4", "mpi-late", "3", "4"},
                    4,
                    {"lockstep[rank 0]: error: all-reduce of 400 bytes", ": rank 3 on ",
                     "did not arrive within 4 s (rank 0 on "}},
        FailureCase{
            "CallOfMpiThatDoesNotReturn",
            {"3", "mpi-hold", "1"},
            4,
            {"lockstep[rank 1]: error: a call of MPI does not return: a peer has ended, or the "
             "connection to it is broken (rank 1 on ",
             ", while decoding (step 5))"}},
        FailureCase{"AnotherCollective",
                    {"3", "drift", "1", "4"},
                    1,
                    {"all-reduce", "drifted apart", "barrier"}},
        FailureCase{"AnotherSize",
                    {"2", "size-drift", "1", "10"},
                    1,
                    {"all-reduce", "drifted apart", "please report this"}},
        FailureCase{"KilledRankOfAnotherPart",
                    {"4", "parts-kill", "3"},
                    4,
                    {"lockstep: error: rank 3 on ", "killed by signal 9", "decoding (step 5)"}},
        FailureCase{"AbsentPeerOfAnotherPart",
                    {"4", "parts-late", "2", "4"},
                    4,
                    {"lockstep[rank 0]: error: all-reduce of 400 bytes", "rank 2 on ",
                     "did not arrive within 4 s", "decoding (step 5)"}},
        FailureCase{"ErrorInOneOfTheParts",
                    {"4", "parts-throw", "1"},
                    2,
                    {"lockstep[rank 1]: error: weights of layer 3 are torn (rank 1 on "}},
        FailureCase{"MemoryThatCannotBeShared",
                    {"3", "unshared"},
                    3,
                    {"lockstep: error: comm.shared_memory is on, but sums keep their order only "
                     "where each host has as many ranks"}},
        FailureCase{"AgreedByAll",
                    {"3", "agree-all"},
                    2,
                    {"lockstep: error: model.safetensors: no such file\n"}},
        FailureCase{"AgreedByOne",
                    {"3", "agree-one", "1"},
                    3,
                    {"lockstep: error: model.safetensors: read error (rank 1 on "}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(FailingRanks, NamesACrashedRankAfterItsTrace) {
  const auto result = Probe({"2", "abort", "1"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_LT(result.seconds, kSoonSeconds);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("rank 1 on "), HasSubstr("killed by signal 6"),
                                   HasSubstr("decoding (step 5)")));
}

TEST(FailingRanks, NamesARankThatNeverJoins) {
  const auto result = Probe({"2", "unjoined", "1", "2"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_LT(result.seconds, kSoonSeconds);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("did not find its peers within 2 s"),
                                   HasSubstr("rank 1 has not started")));
  EXPECT_EQ(Lines(result.errors), 1) << result.errors;
}

// One call of MPI that rank 1 never gets into. Whatever waits for other ranks has a deadline.
class StalledCall : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Calls, StalledCall,
                         ::testing::Values("MPI_Init_thread", "MPI_Isend", "MPI_Irecv",
                                           "MPI_Comm_split", "MPI_Comm_split_type", "MPI_Allgather",
                                           "MPI_Bcast", "MPI_Finalize"));

TEST_P(StalledCall, NeverHangsTheWorld) {
  auto options = StartedProbe({"3", "stall", "1", "3"});
  options.environment.emplace_back("PROBE_STALL", GetParam());
  options.environment.emplace_back("PROBE_STALL_RANK", "1");
  const auto result = ChildProcess(options).Wait();
  EXPECT_LT(result.seconds, kSoonSeconds);
  if (result.output == "sum over 3 ranks\n" && result.exit_code == 0) return;  // not called at all
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_LE(Lines(result.errors), 2) << result.errors;
  const bool exchanging = GetParam() == "MPI_Isend" || GetParam() == "MPI_Irecv";
  EXPECT_THAT(result.errors, HasSubstr(exchanging ? "rank 1 on " : "within 3 s"));
}
TEST(FailingRanks, NoticesAPeerStoppedFromOutside) {
  ChildProcess child(StartedProbe({"3", "loop", "0", "4"}));
  const auto pids = Pids(child);
  ASSERT_EQ(pids.size(), 4u);
  ASSERT_THAT(child.WaitForLine("step 3"), Not(IsEmpty()));
  ::kill(pids[2], SIGSTOP);
  const auto result = child.Wait();
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("rank 1 on "), HasSubstr("did not arrive within")));
  EXPECT_EQ(Lines(result.errors), 1) << result.errors;
  EXPECT_TRUE(AllGone(pids));
}

TEST(FailingRanks, NamesARankKilledFromOutside) {
  ChildProcess child(StartedProbe({"3", "loop"}));
  const auto pids = Pids(child);
  ASSERT_EQ(pids.size(), 4u);
  ASSERT_THAT(child.WaitForLine("step 3"), Not(IsEmpty()));
  ::kill(pids[2], SIGKILL);
  child.Mark();
  const auto result = child.Wait();
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_LT(result.seconds, kPromisedSeconds);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("rank 1 on "), HasSubstr("killed by signal 9"),
                                   HasSubstr("while decoding")));
  EXPECT_EQ(Lines(result.errors), 1) << result.errors;
  EXPECT_TRUE(AllGone(pids));
}

// Where a process was told to put the memory that it shares through Open MPI.
std::filesystem::path SegmentsOf(pid_t process) {
  std::ifstream environment("/proc/" + std::to_string(process) + "/environ");
  const std::string name = "OMPI_MCA_btl_vader_backing_directory=";
  for (std::string variable; std::getline(environment, variable, '\0');)
    if (variable.starts_with(name)) return variable.substr(name.size());
  return {};
}

TEST(FailingRanks, LeaveNoMemoryBehindWhenTheyAreKilled) {
  ChildProcess child(StartedProbe({"3", "loop"}));
  const auto pids = Pids(child);
  ASSERT_EQ(pids.size(), 4u);
  ASSERT_THAT(child.WaitForLine("step 3"), Not(IsEmpty()));
  const std::filesystem::path segments = SegmentsOf(pids[2]);
  ASSERT_TRUE(std::filesystem::is_directory(segments)) << segments;
  EXPECT_FALSE(std::filesystem::is_empty(segments)) << segments;
  ::kill(pids[2], SIGKILL);
  EXPECT_EQ(child.Wait().exit_code, 4);
  EXPECT_FALSE(std::filesystem::exists(segments)) << segments;
}

TEST(FailingRanks, EndWithMpirun) {
  ChildProcess child(StartedProbe({"2", "loop"}));
  const auto pids = Pids(child);
  ASSERT_EQ(pids.size(), 3u);
  ::kill(pids[0], SIGKILL);
  const auto result = child.Wait();
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.errors, HasSubstr("mpirun was killed by signal 9"));
  EXPECT_TRUE(AllGone(pids));
}

TEST(FailingRanks, EndWithTheirParent) {
  ChildProcess child(StartedProbe({"2", "loop"}));
  const auto pids = Pids(child);
  ASSERT_EQ(pids.size(), 3u);
  child.Signal(SIGKILL);
  EXPECT_EQ(child.Wait().exit_code, 128 + SIGKILL);
  EXPECT_TRUE(AllGone(pids));
}

TEST(FailingRanks, EndUnderAForeignMpirunToo) {
  const auto result = ProbeUnderMpirun({"3", "throw", "1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_LT(result.seconds, kSoonSeconds);
  EXPECT_THAT(result.errors,
              HasSubstr("lockstep[rank 1]: error: weights of layer 3 are torn (rank 1 on "));
}

// Their name is then mpirun's to say, and it does so when it is not told to be quiet.
TEST(FailingRanks, EndAForeignMpirunWhenKilled) {
  const auto result = ProbeUnderMpirun({"3", "kill", "1"});
  EXPECT_EQ(result.exit_code, 128 + SIGKILL);
  EXPECT_LT(result.seconds, kSoonSeconds);
}

}  // namespace
}  // namespace lockstep::testing
