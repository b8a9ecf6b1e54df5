// The program with --device cuda, on the emulated module unless LOCKSTEP_CUDA_MODULE names another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Module : public testing::Environment {
  void SetUp() override { ::setenv("LOCKSTEP_CUDA_MODULE", LOCKSTEP_EMULATED_MODULE, 0); }
};
[[maybe_unused]] const auto* const kModule = testing::AddGlobalTestEnvironment(new Module);

// An environment variable for the time of a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_.empty())
      ::unsetenv(name_);
    else
      ::setenv(name_, before_.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string before_;
};

std::vector<std::string> Generate(const std::string& model, const std::string& device, int ranks) {
  return {"generate",
          "--model",
          (SourceFolder() / "models" / model).string(),
          "--prompt",
          "ROMEO:\n",
          "--temperature",
          "0",
          "--dtype",
          "bf16",
          "--max-new-tokens",
          "24",
          "--device",
          device,
          "--tp",
          std::to_string(ranks)};
}

struct Case {
  const char* model;
  int ranks;
};

class OnCuda : public testing::TestWithParam<Case> {};

TEST_P(OnCuda, ModelsGenerateWhatTheyDoOnTheCpu) {
  const auto [model, ranks] = GetParam();
  const Outcome cpu = RunLockstep(Generate(model, "cpu", 1));
  const Outcome cuda = RunLockstep(Generate(model, "cuda", ranks));
  EXPECT_EQ(cuda.exit_code, 0) << cuda.errors;
  EXPECT_EQ(cuda.errors, "");
  EXPECT_EQ(cuda.output, cpu.output);
}

INSTANTIATE_TEST_SUITE_P(Models, OnCuda,
                         testing::Values(Case{"shakespeare-gptj", 1}, Case{"shakespeare-neox", 1},
                                         Case{"shakespeare-gptj", 2}, Case{"shakespeare-neox", 2},
                                         Case{"shakespeare-gptj", 3}, Case{"shakespeare-neox", 3}),
                         [](const auto& one) {
                           return std::string(one.param.model).substr(12) + "_" +
                                  std::to_string(one.param.ranks);
                         });

TEST(CudaDevice, IsAnErrorWithoutAModule) {
  const Variable none("LOCKSTEP_CUDA_MODULE", "/nowhere/liblockstep_cuda.so");
  const Outcome run = RunLockstep(Generate("shakespeare-gptj", "cuda", 1));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("LOCKSTEP_CUDA_MODULE=/nowhere/liblockstep_cuda.so: there is "
                                    "no such file"));
}

TEST(CudaDevice, IsReplacedByTheCpuWhereItIsAutomaticAndThereIsNone) {
  const Variable none("LOCKSTEP_CUDA_MODULE", "/nowhere/liblockstep_cuda.so");
  const Outcome run = RunLockstep(Generate("shakespeare-gptj", "auto", 1));
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.errors, HasSubstr("computing on the CPU: LOCKSTEP_CUDA_MODULE="));
}

TEST(CudaDevice, RefusesAFileThatIsNoModule) {
  const TemporaryFolder folder;
  WriteText(folder / "text.so", "no library");
  const Variable text("LOCKSTEP_CUDA_MODULE", (folder / "text.so").string());
  const Outcome run = RunLockstep(Generate("shakespeare-gptj", "cuda", 1));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("cannot be opened"));
}

TEST(CudaDevice, RefusesFormatsThatItDoesNotCompute) {
  auto arguments = Generate("shakespeare-gptj", "cuda", 1);
  arguments.insert(arguments.end(), {"--dtype", "fp32"});
  const Outcome run = RunLockstep(arguments);
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("--dtype fp32"), HasSubstr("--dtype bf16")));
}

TEST(CudaDevice, SaysSoWhenMemoryIsShort) {
  const Variable memory("LOCKSTEP_CUDA_MEMORY_MB", "33");
  const Outcome run = RunLockstep(Generate("shakespeare-gptj", "cuda", 1));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors,
              AllOf(HasSubstr("has 33.0 MiB free"), HasSubstr("use more ranks (--tp)")));
}

TEST(CudaDevice, EndsWhenACollectiveHangs) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Variable hang("LOCKSTEP_NCCL_HANG", "7");
  auto arguments = Generate("shakespeare-gptj", "cuda", 2);
  arguments.insert(arguments.end(), {"--set", "comm.deadline_seconds=3"});
  const Outcome run = RunLockstep(arguments);
  EXPECT_EQ(run.exit_code, 4);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("NCCL all-reduce"), HasSubstr("did not end within 3 s")));
}

}  // namespace
}  // namespace lockstep
