// The emulated NCCL between processes: each scenario is a function of programs/nccl_ranks.cpp.

#include <gmock/gmock.h>

#include "run_program.h"
#include "sanitized.h"

namespace {

using ::testing::HasSubstr;

ProgramResult RunScenario(const std::string& scenario, int ranks, const std::string& policy) {
  return RunProgram(std::string(NCCL_RANKS) + " " + scenario + " " + std::to_string(ranks),
                    "LOCKSTEP_CUDA_STREAMS=" + policy);
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
const auto kRankCounts = ::testing::Values(3);  // such processes are slow to start
#else
const auto kRankCounts = ::testing::Values(2, 3);
#endif

// Scenario, number of ranks, stream policy.
class Nccl : public ::testing::TestWithParam<std::tuple<const char*, int, const char*>> {};

INSTANTIATE_TEST_SUITE_P(Works, Nccl,
                         ::testing::Combine(::testing::Values("all_reduce", "narrow_types",
                                                              "other_collectives", "ring", "graph",
                                                              "idle_hosts"),
                                            ::testing::Values(2, 3),
                                            ::testing::Values("eager", "lazy", "random")));

TEST_P(Nccl, BetweenProcesses) {
  const auto [scenario, ranks, policy] = GetParam();
  const ProgramResult result = RunScenario(scenario, ranks, policy);
  EXPECT_EQ(result.exit_status, 0) << result.output;
}

TEST(PeerToPeer, ProcessesReadEachOthersDeviceMemory) {
  for (const std::string policy : {"eager", "lazy", "random"}) {
    const ProgramResult result = RunScenario("peer_to_peer", 2, policy);
    EXPECT_EQ(result.exit_status, 0) << policy << ": " << result.output;
  }
}

class NcclFailures : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Policies, NcclFailures, ::testing::Values("eager", "lazy", "random"));

TEST_P(NcclFailures, DifferentCountsNameBothCalls) {
  const ProgramResult result = RunScenario("mismatched_count", 3, GetParam());
  EXPECT_EQ(result.exit_status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("rank 0 calls ncclAllReduce of 100 x float, sum (call 0), "
                                       "rank 1 calls ncclAllReduce of 99 x float, sum (call 0)"));
}

TEST_P(NcclFailures, DifferentCollectivesNameBothCalls) {
  const ProgramResult result = RunScenario("mismatched_kind", 2, GetParam());
  EXPECT_EQ(result.exit_status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("rank 0 calls ncclAllReduce of 100 x float, sum (call 0), "
                                       "rank 1 calls ncclBroadcast of 100 x float, root 0"));
}

TEST_P(NcclFailures, RanksThatDifferInCaptureAreNamed) {
  const ProgramResult result = RunScenario("mismatched_capture", 2, GetParam());
  EXPECT_EQ(result.exit_status, 0) << result.output;
  EXPECT_THAT(result.output,
              HasSubstr("rank 0 calls ncclAllReduce of 100 x float, sum (call 0, in a graph), "
                        "rank 1 calls ncclAllReduce of 100 x float, sum (call 0)"));
}

TEST_P(NcclFailures, ADeadRankIsNamed) {
  const ProgramResult result = RunScenario("dead_rank", 3, GetParam());
  EXPECT_EQ(result.exit_status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("rank 1 (process"));
  EXPECT_THAT(result.output, HasSubstr("has died"));
}

TEST_P(NcclFailures, AHangLastsUntilTheAbort) {
  const ProgramResult result = RunScenario("hang", 2, GetParam());
  EXPECT_EQ(result.exit_status, 0) << result.output;
}

}  // namespace
