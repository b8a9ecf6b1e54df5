// `lockstep env`: what a bug report needs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "program.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Env, PrintsWhatABugReportNeeds) {
  const Outcome run = RunLockstep({"env"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.errors, "");
  for (const char* part :
       {"lockstep:\n  version: 0.1.0\n", "  commit: ", "  compiler: ", "\nsystem:\n", "\nmpi:\n",
        "  instruction_set: ", "  total_bytes: ", "  open_files: ", "\ncontrol_groups:",
        "\ncuda:\n", "  nccl: ", "\nvariables:"})
    EXPECT_THAT(run.output, HasSubstr(part));
}

TEST(Env, PrintsTheSameAsJson) {
  const Outcome run = RunLockstep({"env", "--json"});
  EXPECT_EQ(run.exit_code, 0);
  const Json facts = ParseJson(run.output, "env --json");
  EXPECT_EQ(facts["lockstep"]["version"], "0.1.0");
  EXPECT_GT(facts["memory"]["total_bytes"].get<std::int64_t>(), 1 << 20);
  ASSERT_FALSE(facts["memory"]["free_bytes"].empty());
  for (const auto& [pool, bytes] : facts["memory"]["free_bytes"].items())
    EXPECT_TRUE(bytes.is_number_integer()) << pool;
  for (const auto& [name, folders] : facts["control_groups"].items())
    EXPECT_TRUE(name == "cores" || name == "free_bytes") << name;
  EXPECT_GT(facts["processor"]["usable_cores"].get<int>(), 0);
  EXPECT_TRUE(facts["processor"]["instruction_set"].is_string());
  EXPECT_EQ(facts["mpi"]["library"].is_string(), LOCKSTEP_TEST_RANKS > 1);
}

TEST(Env, ShowsVariablesButNoKey) {
  const Outcome run = RunScript(
      "LOCKSTEP_API_KEY=se-cret LOCKSTEP_PEER_REDUCE=off OMPI_MCA_btl=self exec \"$@\"", {"env"});
  EXPECT_THAT(run.output, HasSubstr("  LOCKSTEP_PEER_REDUCE: off\n"));
  EXPECT_THAT(run.output, HasSubstr("  OMPI_MCA_btl: self\n"));
  EXPECT_THAT(run.output, Not(HasSubstr("se-cret")));
}

TEST(Env, SaysWhyThereIsNoGpu) {
  const Outcome run = RunScript("LOCKSTEP_CUDA_MODULE=/nowhere/module.so exec \"$@\"", {"env"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.output, HasSubstr("  module: LOCKSTEP_CUDA_MODULE=/nowhere/module.so: "));
  EXPECT_THAT(run.output, HasSubstr("  gpus: none\n"));
}

}  // namespace
}  // namespace lockstep
