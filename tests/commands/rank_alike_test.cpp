// Worlds whose ranks were started with different models or settings, as several hosts may be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Three ranks, the last of which is given other arguments at its end.
Outcome RunOddRank(const std::vector<std::string>& arguments, const std::string& odd,
                   const std::string& others = "") {
  return RunScript(
      "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
      "OMPI_MCA_btl_vader_single_copy_mechanism=none; "
      "exec mpirun --quiet --oversubscribe --bind-to none -n 2 \"$@\" " +
          others + " : -n 1 \"$@\" " + odd,
      arguments);
}

class RanksAlike : public testing::Test {
 protected:
  void SetUp() override {
    if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
    for (const auto& folder : {one_, other_}) std::filesystem::create_directory(folder);
    model_ = CopyModel("neox_saved_single", one_, 90);
    copy_ = CopyModel("neox_saved_single", other_, 90);
  }
  std::vector<std::string> Generate() const {
    return {"generate", "--prompt", "abc", "--max-new-tokens", "4", "--threads", "1"};
  }
  static std::string Model(const std::filesystem::path& folder) {
    return "--model " + folder.string();
  }
  static void ExpectRefused(const Outcome& run, const std::string& what) {
    EXPECT_EQ(run.exit_code, 2) << run.errors;
    EXPECT_EQ(run.output, "");
    EXPECT_THAT(run.errors, AllOf(HasSubstr("the ranks differ in " + what), HasSubstr("rank 2 on "),
                                  Not(HasSubstr("report this"))));
    EXPECT_EQ(std::count(run.errors.begin(), run.errors.end(), '\n'), 1) << run.errors;
  }

  TemporaryFolder folder_;
  std::filesystem::path one_ = folder_ / "one";
  std::filesystem::path other_ = folder_ / "other";
  std::filesystem::path model_, copy_;
};

TEST_F(RanksAlike, MayHaveTheSameModelInAnotherPlace) {
  const Outcome run = RunOddRank(Generate(), Model(copy_), Model(model_));
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_NE(run.output, "");
}

TEST_F(RanksAlike, AreRefusedWithOtherWeights) {
  const auto file = copy_ / "model.safetensors";
  ASSERT_TRUE(std::filesystem::exists(file));
  {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(-3, std::ios::end);
    stream.put('\x11');
  }
  ExpectRefused(RunOddRank(Generate(), Model(copy_), Model(model_)), "tensor ");
}

TEST_F(RanksAlike, AreRefusedWithAnotherModel) {
  const auto gptj = CopyModel("gptj_saved_single", other_, 90);
  ExpectRefused(RunOddRank(Generate(), Model(gptj), Model(model_)), "the model's family");
}

TEST_F(RanksAlike, AreRefusedWithOtherSettings) {
  const std::string model = Model(model_) + " ";
  std::vector<std::string> automatic = Generate();
  automatic.insert(automatic.end(), {"--set", "model.dtype=auto"});
  ExpectRefused(RunOddRank(automatic, model + "--dtype bf16", model), "model.dtype");
  ExpectRefused(RunOddRank(Generate(), model + "--set comm.shared_memory=off", model),
                "comm.shared_memory");
  ExpectRefused(RunOddRank(Generate(), model + "--set engine.max_step_tokens=17", model),
                "engine.max_step_tokens");
}

TEST_F(RanksAlike, AreRefusedWithAnotherCommandOrNumberOfGroups) {
  const Outcome groups = RunOddRank(Generate(), Model(model_) + " --dp 3", Model(model_));
  EXPECT_EQ(groups.exit_code, 2) << groups.errors;
  EXPECT_THAT(groups.errors, Not(HasSubstr("report this")));
  const Outcome run = RunScript(
      "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; "
      "exec mpirun --quiet --oversubscribe -n 2 $1 bench decode --model " +
          model_.string() + " : -n 1 $1 bench comm",
      {});
  ExpectRefused(run, "what bench measures");
}

TEST_F(RanksAlike, HearOfABadCommandLineOfOne) {
  const Outcome run = RunOddRank(Generate(), Model(model_) + " --nonsense", Model(model_));
  EXPECT_EQ(run.exit_code, 2) << run.errors;
  EXPECT_THAT(run.errors, HasSubstr("--nonsense"));
}

}  // namespace
}  // namespace lockstep
