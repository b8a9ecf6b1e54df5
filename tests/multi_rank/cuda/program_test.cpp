// The program with --device cuda, on the emulated module unless LOCKSTEP_CUDA_MODULE names another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "core/files/file.h"
#include "cuda_program.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Module : public testing::Environment {
  void SetUp() override {
    ::setenv("LOCKSTEP_CUDA_MODULE", LOCKSTEP_EMULATED_MODULE, 0);
    // Caches fill what is left of it.
    ::setenv("LOCKSTEP_CUDA_MEMORY_MB", "300", 0);
    // One for each rank. Sums by NCCL, but in tests of peers' memory.
    ::setenv("LOCKSTEP_CUDA_DEVICES", "3", 0);
    ::setenv("LOCKSTEP_PEER_REDUCE", "off", 0);
  }
};
[[maybe_unused]] const auto* const kModule = testing::AddGlobalTestEnvironment(new Module);

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

// Where two tokens are as likely as bf16 can tell, devices may go different ways from there.
void ExpectMostLinesAlike(const std::string& found, const std::string& expected) {
  std::istringstream ours(found), theirs(expected);
  int lines = 0, alike = 0;
  for (std::string own, other; std::getline(ours, own) && std::getline(theirs, other); ++lines)
    alike += own == other ? 1 : 0;
  EXPECT_EQ(lines, std::count(expected.begin(), expected.end(), '\n'));
  EXPECT_GE(alike + 1, lines) << found;
}

class BatchOnCuda : public testing::TestWithParam<int> {};

TEST_P(BatchOnCuda, IsThatOfTheCpuWithAndWithoutGraphs) {
  const TemporaryFolder folder;
  const auto lines = folder / "in.jsonl";
  WriteText(lines, R"({"prompt": "ROMEO:\nWhat"}
{"prompt": "O"}
{"prompt": "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:"}
{"prompt": "JULIET:\n"}
{"prompt": "To be"}
{"prompt": "KING RICHARD III:\nA horse"}
)");
  const auto run = [&](const char* name, const std::vector<std::string>& more) {
    const Outcome outcome = RunLockstep(GenerateLines(lines, folder / name, more));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    return ReadFile(folder / name);
  };
  const std::string tp = std::to_string(GetParam());
  const std::string cpu = run("cpu.jsonl", {});
  const std::string cuda = run("cuda.jsonl", {"--device", "cuda", "--tp", tp});
  ExpectMostLinesAlike(cuda, cpu);
  EXPECT_EQ(
      run("plain.jsonl", {"--device", "cuda", "--tp", tp, "--set", "parallel.cuda_graphs=off"}),
      cuda);
}

INSTANTIATE_TEST_SUITE_P(Ranks, BatchOnCuda, testing::Values(1, 2, 3));

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
  const Outcome run =
      RunLockstep(With(Generate("shakespeare-gptj", "cuda", 1), {"--dtype", "fp32"}));
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("--dtype fp32"), HasSubstr("--dtype bf16")));
}

TEST(CudaDevice, SaysSoWhenMemoryIsShort) {
  const Variable memory("LOCKSTEP_CUDA_MEMORY_MB", "33");
  const Outcome run = RunLockstep(Generate("shakespeare-gptj", "cuda", 1));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("rank 0 on "), HasSubstr("(weights "),
                                HasSubstr("are free in cuda device 0"),
                                HasSubstr("--dtype int8 needs "), HasSubstr("--tp over more")));
}

// The megabytes of KV cache that a batch job with these settings says it has; -1: none.
double CacheMegabytes(const std::vector<std::string>& more) {
  const TemporaryFolder folder;
  WriteText(folder / "in.jsonl", R"({"prompt": "O"})"
                                 "\n");
  auto arguments = GenerateLines(folder / "in.jsonl", folder / "out.jsonl", more);
  arguments.insert(arguments.end(), {"--device", "cuda", "--verbose"});
  const Outcome run = RunLockstep(arguments);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  const std::size_t end = run.errors.find(" MB of KV cache");
  if (end == std::string::npos) return -1;
  return std::stod(run.errors.substr(run.errors.rfind(' ', end - 1)));
}

// The weights and buffers of the demo model are some 120 MB.
TEST(CudaDevice, HasACacheOfWhatItsMemoryHasRoomFor) {
  const Variable memory("LOCKSTEP_CUDA_MEMORY_MB", "200");
  const double most = CacheMegabytes({});
  EXPECT_GT(most, 40);
  EXPECT_LT(most, 150);
  const double half = CacheMegabytes({"--set", "engine.memory_fraction=0.45"});
  EXPECT_NEAR(half, most / 2, 2);
  const double fp8 = CacheMegabytes({"--set", "model.cache_dtype=fp8"});
  EXPECT_NEAR(fp8, most, 2) << "the same memory, for more tokens";
}

TEST(CudaDevice, RefusesACacheThatIsLargerThanItsMemory) {
  const Outcome run = RunLockstep(
      {"generate", "--model", (SourceFolder() / "models/shakespeare-gptj").string(), "--input", "-",
       "--dtype", "bf16", "--device", "cuda", "--set", "engine.cache_tokens=100000000"},
      "{\"prompt\": \"O\"}\n");
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors,
              AllOf(HasSubstr("KV cache "), HasSubstr("GB, buffers"),
                    HasSubstr("are free in cuda device"), HasSubstr("engine.cache_tokens")));
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

// Long after the steps have become replays: the demo model makes seven sums in each.
TEST(CudaDevice, EndsWhenACollectiveOfAReplayHangs) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Variable hang("LOCKSTEP_NCCL_HANG", "101");
  auto arguments = Generate("shakespeare-gptj", "cuda", 2);
  arguments.insert(arguments.end(), {"--set", "comm.deadline_seconds=3"});
  const Outcome run = RunLockstep(arguments);
  EXPECT_EQ(run.exit_code, 4);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("NCCL all-reduce"), HasSubstr("step of 1 tokens"),
                                HasSubstr("did not end within 3 s")));
}

TEST(CudaDevice, EndsWhenARankIsKilledInTheMiddleOfAStep) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  for (const char* when : {"1:4", "1:101"}) {  // in the prompt, and in a replay
    SCOPED_TRACE(when);
    const Variable kill("LOCKSTEP_NCCL_KILL", when);
    auto arguments = Generate("shakespeare-gptj", "cuda", 3);
    arguments.insert(arguments.end(), {"--set", "comm.deadline_seconds=10"});
    const auto start = std::chrono::steady_clock::now();
    const Outcome run = RunLockstep(arguments);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(run.exit_code, 4);
    EXPECT_THAT(run.errors, AllOf(HasSubstr("rank 1 on "), HasSubstr("killed by signal 9")));
    EXPECT_LT(took.count(), 60);
  }
}

TEST(CudaDevice, GeneratesInFp16) {
  const Outcome cpu =
      RunLockstep(With(Generate("shakespeare-gptj", "cpu", 1), {"--dtype", "fp32"}));
  const Outcome cuda =
      RunLockstep(With(Generate("shakespeare-gptj", "cuda", 1), {"--dtype", "fp16"}));
  EXPECT_EQ(cuda.exit_code, 0) << cuda.errors;
  EXPECT_EQ(cuda.output, cpu.output);
}

TEST(CpuDevice, RefusesFp16) {
  const Outcome run =
      RunLockstep(With(Generate("shakespeare-gptj", "cpu", 1), {"--dtype", "fp16"}));
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("--dtype fp16"), HasSubstr("use --dtype bf16")));
}

const std::vector<std::string> kFp8Cache = {"--set", "model.cache_dtype=fp8"};

// The first tokens of these texts, which are no near ties: whatever the ranks, and replayed or not.
TEST(CudaDevice, KeepsKeysAndValuesInFp8) {
  for (const char* model : {"shakespeare-gptj", "shakespeare-neox"}) {
    SCOPED_TRACE(model);
    const Outcome cpu = RunLockstep(Generate(model, "cpu", 1));
    for (const int ranks : {1, 3}) {
      const auto arguments = With(Generate(model, "cuda", ranks), kFp8Cache);
      const Outcome cuda = RunLockstep(arguments);
      EXPECT_EQ(cuda.exit_code, 0) << cuda.errors;
      EXPECT_EQ(cuda.output, cpu.output);
      const Outcome plain = RunLockstep(With(arguments, {"--set", "parallel.cuda_graphs=off"}));
      EXPECT_EQ(plain.output, cuda.output);
    }
  }
}

TEST(CpuDevice, RefusesAnFp8Cache) {
  const Outcome run = RunLockstep(With(Generate("shakespeare-gptj", "cpu", 1), kFp8Cache));
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors,
              AllOf(HasSubstr("model.cache_dtype fp8"), HasSubstr("use model.cache_dtype int8")));
}

TEST(CpuDevice, RefusesFp8) {
  const Outcome run = RunLockstep(With(Generate("shakespeare-gptj", "cpu", 1), {"--dtype", "fp8"}));
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("--dtype fp8: only GPUs of compute capability 8.9"),
                                HasSubstr("use --dtype int8 or bf16")));
}

TEST(CudaDevice, RefusesFp8WhereItIsNotMultiplied) {
  const Variable older("LOCKSTEP_CUDA_CAPABILITY", "86");
  const Outcome run =
      RunLockstep(With(Generate("shakespeare-gptj", "cuda", 1), {"--dtype", "fp8"}));
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("--dtype fp8: device 0 (Lockstep CUDA emulation) has "
                                          "compute capability 8.6, and fp8 is multiplied from 8.9"),
                                HasSubstr("use --dtype int8 or bf16")));
}

TEST(CudaDevice, RefusesACacheOfAnotherFormat) {
  const Outcome run = RunLockstep(
      With(Generate("shakespeare-gptj", "cuda", 1), {"--set", "model.cache_dtype=fp16"}));
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("with --dtype bf16 GPUs keep keys and values in bf16 or fp8"));
}

TEST(CudaDevice, AddsThroughPeersMemory) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Variable peers("LOCKSTEP_PEER_REDUCE", "auto");
  const Outcome cpu = RunLockstep(Generate("shakespeare-neox", "cpu", 1));
  for (const int ranks : {2, 3}) {
    const Outcome cuda = RunLockstep(Generate("shakespeare-neox", "cuda", ranks));
    EXPECT_EQ(cuda.exit_code, 0) << cuda.errors;
    EXPECT_EQ(cuda.errors, "");
    EXPECT_EQ(cuda.output, cpu.output);
  }
}

TEST(CudaDevice, SaysOnceThatPeersMemoryIsBrokenAndAddsByNccl) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Variable peers("LOCKSTEP_PEER_REDUCE", "auto");
  const Variable lost("LOCKSTEP_CUDA_PEER_MEMORY", "lost");
  const Outcome cpu = RunLockstep(Generate("shakespeare-neox", "cpu", 1));
  const Outcome cuda = RunLockstep(Generate("shakespeare-neox", "cuda", 2));
  EXPECT_EQ(cuda.exit_code, 0) << cuda.errors;
  EXPECT_EQ(cuda.output, cpu.output);
  EXPECT_THAT(
      cuda.errors,
      AllOf(HasSubstr("GPUs add up through NCCL and not through each other's memory: rank "),
            HasSubstr("does not arrive; an IOMMU or ACS")));
  EXPECT_EQ(std::count(cuda.errors.begin(), cuda.errors.end(), '\n'), 1) << cuda.errors;
}

// As with mpirun on a host whose only GPU, or only slice of one, all ranks see.
TEST(CudaDevice, IsForOneRankUnlessItIsToBeShared) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const std::pair<const char*, const char*> seen[] = {{"1", "GPU-02000000-"},
                                                      {"MIG-7c2d/3/0", "MIG-7c2d/3/0"}};
  for (const auto& [visible, id] : seen) {
    const Variable same("CUDA_VISIBLE_DEVICES", visible);
    const Outcome refused = RunLockstep(Generate("shakespeare-gptj", "cuda", 2));
    EXPECT_EQ(refused.exit_code, 3);
    EXPECT_THAT(
        refused.errors,
        AllOf(HasSubstr("ranks 0 and 1 on "), HasSubstr("have been given the same GPU, "),
              HasSubstr(id), HasSubstr("--gpus-per-task=1"), HasSubstr("LOCKSTEP_SHARED_GPU=1")));
    EXPECT_EQ(std::count(refused.errors.begin(), refused.errors.end(), '\n'), 1) << refused.errors;
    const Outcome automatic = RunLockstep(Generate("shakespeare-gptj", "auto", 2));
    EXPECT_EQ(automatic.exit_code, 0) << automatic.errors;
    EXPECT_THAT(automatic.errors, HasSubstr("computing on the CPU: ranks 0 and 1 on "));
  }
  const Variable same("CUDA_VISIBLE_DEVICES", "1");
  const Variable shared("LOCKSTEP_SHARED_GPU", "1");
  const Outcome cpu = RunLockstep(Generate("shakespeare-gptj", "cpu", 1));
  const Outcome together = RunLockstep(Generate("shakespeare-gptj", "cuda", 2));
  EXPECT_EQ(together.exit_code, 0) << together.errors;
  EXPECT_EQ(together.output, cpu.output);
}

// Each group has GPUs of its own.
TEST(CudaDevice, IsRefusedToMoreGroupsThanItIsEnoughFor) {
  const Outcome run = RunLockstep({"serve", "shakespeare-neox", "--device", "cuda", "--dtype",
                                   "bf16", "--dp", "2", "--tp", "2"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors,
              HasSubstr("--dp 2 times --tp 2 needs 4 GPUs, and 3 can be seen here; start "
                        "at most --dp 1, or use --device cpu"));
}

// Nothing that waits on a device for the rank that is gone keeps the others.
TEST(CudaDevice, EndsWhenARankIsKilledThatOthersReadFrom) {
  if (LOCKSTEP_TEST_RANKS == 1) GTEST_SKIP() << "built without MPI";
  const Variable peers("LOCKSTEP_PEER_REDUCE", "auto");
  const auto arguments = With(Generate("shakespeare-gptj", "cuda", 2),
                              {"--max-new-tokens", "200", "--set", "comm.deadline_seconds=5"});
  EXPECT_TRUE(RunAndKill(arguments, 4000, Victim::kDescendant));
}

}  // namespace
}  // namespace lockstep
