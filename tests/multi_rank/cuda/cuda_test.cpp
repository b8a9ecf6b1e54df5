// Whole models over ranks with a GPU each, against transformers; and sums that cannot be completed.
// LOCKSTEP_CUDA_MODULE says which module: the emulated one, in ordinary runs.
#include <gmock/gmock.h>

#include <string>

#include "layers/kernels/device_module.h"
#include "partition/config_json.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/seeded_weights.h"

namespace lockstep::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class CudaGolden : public MultiRank, public ::testing::WithParamInterface<std::filesystem::path> {};

// ExpectGolden() counts the all-reduces as well.
TEST_P(CudaGolden, IsAsCloseInBf16AsTransformersIs) {
  const GoldenSetup setup{.dtype = WeightFormat::kBF16, .module = &CudaModule(), .chunk = 40};
  if (LoadModelSpec(GetParam()).head_count >= size())
    ExpectGolden(LoadGoldenCase(GetParam()), comm(), setup);
}

std::vector<std::filesystem::path> Cases() {
  std::vector<std::filesystem::path> cases;
  for (const std::filesystem::path& path : GoldenCases())
    for (const char* name :
         {"gptj_5_heads_fp16", "gptj_d_head_256_old_config", "neox_12_heads_pythia_config",
          "neox_d_head_80", "neox_sequential_exact_gelu"})
      if (path.filename() == name) cases.push_back(path);
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Transformers, CudaGolden, ::testing::ValuesIn(Cases()),
                         [](const auto& one) { return one.param.filename().string(); });

class CudaSums : public MultiRank {
 protected:
  // Runs an all-reduce of so many values and returns the error that it ends in, or "".
  std::string Sum(Communicator& sums, Backend& backend, std::int64_t count) {
    const Tensor x = sums.AllocateReducible({count});
    try {
      sums.AllReduceSum(x.view(), backend.stream());
      backend.Synchronize();
    } catch (const CollectiveError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(CudaSums, AddEveryRanksValues) {
  const auto backend = CudaModule().MakeBackend(0);
  const auto sums = CudaModule().MakeCommunicator(comm(), *backend);
  const Tensor host = Tensor::OnHost(DType::kF32, {1000});
  for (std::int64_t i = 0; i < 1000; ++i)
    host.view().data<float>()[i] = static_cast<float>(i * (rank() + 1));
  const Tensor x = sums->AllocateReducible({1000});
  backend->Upload(host.view(), x.view());
  sums->AllReduceSum(x.view(), backend->stream());
  backend->Download(x.view(), host.view());
  for (std::int64_t i = 0; i < 1000; ++i)
    EXPECT_EQ(host.view().data<float>()[i], static_cast<float>(i * size() * (size() + 1) / 2));
  EXPECT_EQ(sums->all_reduce_count(), 1);
}

TEST_F(CudaSums, OfDifferentSizesAreAnErrorThatNamesThem) {
  if (size() == 1) return;
  const auto backend = CudaModule().MakeBackend(0);
  const auto sums = CudaModule().MakeCommunicator(comm(), *backend);
  const DeadlineScope soon(comm(), 5);
  const std::string error = Sum(*sums, *backend, rank() == 0 ? 8 : 16);
  EXPECT_THAT(error, HasSubstr("NCCL all-reduce 1"));
  EXPECT_THAT(error, AnyOf(HasSubstr("of 8 values"), HasSubstr("of 16 values")));
}

TEST_F(CudaSums, ThatARankDoesNotTakePartInNameIt) {
  if (size() == 1) return;
  const auto backend = CudaModule().MakeBackend(0);
  const auto sums = CudaModule().MakeCommunicator(comm(), *backend);
  const DeadlineScope soon(comm(), 2);
  EXPECT_EQ(Sum(*sums, *backend, 8), "");
  std::string error;
  if (rank() != 1) error = Sum(*sums, *backend, 8);
  if (rank() == 1) {
    // What this rank would do when it looks for the others itself.
    const std::int64_t note[2] = {1, 8};
    const DeadlineScope patient(comm(), 20);
    comm().AllGather(std::as_bytes(std::span(note)));
    return;
  }
  EXPECT_THAT(error, HasSubstr("did not end within 2 s"));
  EXPECT_THAT(error, HasSubstr("rank 1 on"));
  EXPECT_THAT(error, HasSubstr("is at all-reduce 1 of 8 values"));
}

}  // namespace
}  // namespace lockstep::testing
