// Mistakes that were planted on purpose, each found by the tool that should find it: by every run,
// by a stream policy, by AddressSanitizer or by ThreadSanitizer. The cases of a sanitizer exist in
// its own build only.

#include <gmock/gmock.h>

#include "run_program.h"
#include "sanitized.h"

namespace {

using ::testing::HasSubstr;

constexpr const char* kThreadOrders[] = {"forward", "reverse", "shuffled"};
constexpr const char* kPolicies[] = {"eager", "lazy", "random"};

ProgramResult RunBug(const std::string& bug, const std::string& environment = "") {
  return RunProgram(std::string(PLANTED_BUGS) + " " + bug, environment);
}

// The program ended by itself, saying what is expected.
void ExpectReport(const std::string& bug, const std::string& first, const std::string& report) {
  for (const std::string order : kThreadOrders) {
    const ProgramResult result = RunBug(bug, "LOCKSTEP_CUDA_THREADS=" + order);
    EXPECT_EQ(result.exit_status, 0) << order << ": " << result.output;
    EXPECT_THAT(result.output, HasSubstr(first)) << order;
    EXPECT_THAT(result.output, HasSubstr(report)) << order;
  }
}

TEST(PlantedBugs, NothingIsFoundWhereNothingIsWrong) {
  for (std::size_t i = 0; i < std::size(kPolicies); ++i) {
    const std::string environment = std::string("LOCKSTEP_CUDA_THREADS=") + kThreadOrders[i] +
                                    " LOCKSTEP_CUDA_STREAMS=" + kPolicies[i];
    for (const std::string program : {"none", "with_event", "overlapping"}) {
      const ProgramResult result = RunBug(program, environment);
      EXPECT_EQ(result.exit_status, 0) << result.output;
      EXPECT_EQ(result.output, "right\n") << environment;
    }
  }
}

TEST(PlantedBugs, UninitialisedSharedMemoryIsNaN) {
  ExpectReport("uninitialised_shared", "wrong", "");
}

TEST(PlantedBugs, ShufflesThatHalfTheWarpMissesAreNamed) {
  ExpectReport("shuffle_without_half_the_warp", "error 719 cudaErrorLaunchFailure",
               "SumKernel<(Bug)8>, block (");
  ExpectReport("shuffle_across_masks", "error 719", "which does not take part (mask 0x");
}

TEST(PlantedBugs, BarriersThatDoNotMeetAreNamedWithTheirLines) {
  ExpectReport("divergent_barrier", "error 719", "divergent __syncthreads: kernel SumKernel");
  ExpectReport("divergent_barrier", "error 719", "waits at planted_bugs.cu:");
  ExpectReport("return_before_barrier", "error 719", "has already returned");
  ExpectReport("warp_and_block_deadlock", "error 719", "planted_bugs.cu:");
}

TEST(PlantedBugs, KernelsThatDoNotWaitForThoseTheyOverlapWithAreNamed) {
  ExpectReport("overlapping_without_wait", "error 719",
               "kernel OverlappingKernel, block (0,0,0), thread (");
  ExpectReport("overlapping_without_wait", "error 719", "has not waited for the kernels before it");
}

TEST(PlantedBugs, PointersThatTheDeviceCannotReachAreAddressErrors) {
  ExpectReport("host_pointer_to_kernel", "error 700 cudaErrorIllegalAddress", "pointer argument 0");
  ExpectReport("freed_pointer_to_kernel", "error 700", "kernel FillKernel: pointer argument 0");
}

TEST(PlantedBugs, DeviceMemoryIsClosedToTheHost) {
  const ProgramResult result = RunBug("host_reads_device");
  EXPECT_NE(result.exit_status, 0) << "the host read device memory: " << result.output;
  EXPECT_THAT(result.output, ::testing::Not(HasSubstr("right")));
}

TEST(PlantedBugs, CopiesAreRefusedThatADeviceWouldGetWrong) {
  ExpectReport("pageable_async_copy", "error 1 cudaErrorInvalidValue", "is not pinned");
  ExpectReport("copy_behind_allocation", "error 1", "leave their device allocation");
}

TEST(PlantedBugs, CaptureErrorsHaveTheRealCodes) {
  ExpectReport("synchronise_while_capturing", "error 900 cudaErrorStreamCaptureUnsupported", "");
  ExpectReport("fork_not_joined", "error 904 cudaErrorStreamCaptureUnjoined", "");
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST(PlantedBugs, TheLazyPolicyShowsWhatWasNotWaitedFor) {
  for (const std::string bug : {"missing_event", "host_reads_too_early", "staging_reused"}) {
    EXPECT_EQ(RunBug(bug, "LOCKSTEP_CUDA_STREAMS=lazy").output, "wrong\n") << bug;
    EXPECT_EQ(RunBug(bug, "LOCKSTEP_CUDA_STREAMS=eager").output, "right\n") << bug;
  }
}

TEST(PlantedBugs, TheLazyPolicyTurnsTheBranchesOfAGraphRound) {
  EXPECT_EQ(RunBug("race_in_graph", "LOCKSTEP_CUDA_STREAMS=lazy").output, "wrong\n");
  EXPECT_EQ(RunBug("race_in_graph", "LOCKSTEP_CUDA_STREAMS=eager").output, "right\n");
}

TEST(PlantedBugs, AnOrderOfThreadsShowsAMissingBarrier) {
  EXPECT_EQ(RunBug("missing_barrier_before_read", "LOCKSTEP_CUDA_THREADS=reverse").output,
            "wrong\n");
}
#endif

#if defined(__SANITIZE_ADDRESS__)
TEST(PlantedBugs, AddressSanitizerFindsAccessesOutsideOfArrays) {
  for (const std::string bug : {"read_behind_global", "write_behind_shared",
                                "write_behind_dynamic_shared", "freed_pointer_in_struct"}) {
    for (const std::string order : kThreadOrders) {
      const ProgramResult result = RunBug(bug, "LOCKSTEP_CUDA_THREADS=" + order);
      EXPECT_NE(result.exit_status, 0) << bug;
      EXPECT_THAT(result.output, HasSubstr("ERROR: AddressSanitizer")) << bug;
      EXPECT_THAT(result.output, HasSubstr("planted_bugs.cu:")) << bug;
    }
  }
}
#endif

#if defined(__SANITIZE_THREAD__)
void ExpectRace(const std::string& bug, const std::string& environment) {
  const ProgramResult result = RunBug(bug, environment);
  EXPECT_NE(result.exit_status, 0) << bug << ", " << environment << ": " << result.output;
  EXPECT_THAT(result.output, HasSubstr("WARNING: ThreadSanitizer: data race"))
      << bug << ", " << environment;
}

TEST(PlantedBugs, ThreadSanitizerFindsMissingBarriersInEveryOrder) {
  for (const std::string order : kThreadOrders) {
    ExpectRace("missing_barrier_before_read", "LOCKSTEP_CUDA_THREADS=" + order);
    ExpectRace("missing_barrier_before_write", "LOCKSTEP_CUDA_THREADS=" + order);
    ExpectRace("race_between_blocks", "LOCKSTEP_CUDA_THREADS=" + order);
  }
}

TEST(PlantedBugs, ThreadSanitizerFindsMissingWaitsUnderEveryPolicy) {
  for (const std::string policy : kPolicies) {
    for (const std::string bug :
         {"missing_event", "host_reads_too_early", "staging_reused", "race_in_graph"}) {
      ExpectRace(bug, "LOCKSTEP_CUDA_STREAMS=" + policy);
    }
  }
}
#endif

}  // namespace
