// Standard output that is full, or closed from the beginning, whatever the number of ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class StandardOutput : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) != "1" && LOCKSTEP_TEST_RANKS == 1)
      GTEST_SKIP() << "built without MPI";
  }
  static Outcome Run(const std::string& how) {
    const std::string model = SourceFolder() / "models/shakespeare-neox";
    return RunScript("exec \"$@\" " + how, {"generate", "--model", model, "--prompt",
                                            "ROMEO:", "--max-new-tokens", "8", "--tp", GetParam()});
  }
};

INSTANTIATE_TEST_SUITE_P(Ranks, StandardOutput, testing::Values("1", "2"),
                         [](const auto& test) { return "On" + std::string(test.param); });

TEST_P(StandardOutput, ThatIsFullIsAnErrorOfTheEnvironment) {
  const Outcome run = Run(">/dev/full");
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_EQ(run.errors,
            "lockstep: error: standard output: cannot be written: No space left on device\n");
}

TEST_P(StandardOutput, ThatIsClosedIsAnErrorOfTheEnvironment) {
  for (const char* how : {">&-", ">&- <&-"}) {
    const Outcome run = Run(how);
    EXPECT_EQ(run.exit_code, 3) << how;
    EXPECT_EQ(run.errors,
              "lockstep: error: standard output: cannot be written: Bad file descriptor\n");
  }
}

TEST_P(StandardOutput, IsWrittenWhereOtherStreamsAreClosed) {
  EXPECT_EQ(Run("<&-").exit_code, 0);
  const Outcome run = Run("2>&-");
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.output, HasSubstr("\n"));
}

}  // namespace
}  // namespace lockstep
