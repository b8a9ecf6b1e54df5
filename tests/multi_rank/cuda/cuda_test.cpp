// Whole models over ranks with a GPU each, against transformers; and sums that cannot be completed.
// LOCKSTEP_CUDA_MODULE says which module: the emulated one, in ordinary runs.
#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/step_executor.h"
#include "layers/kernels/device_module.h"
#include "layers/rows/top_logits.h"
#include "partition/model/config_json.h"
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

TEST_P(CudaGolden, IsCloserInFp16) {
  const GoldenSetup setup{.dtype = WeightFormat::kF16, .module = &CudaModule(), .chunk = 40};
  if (LoadModelSpec(GetParam()).head_count >= size())
    ExpectGolden(LoadGoldenCase(GetParam()), comm(), setup);
}

// Keys and values have three bits of mantissa instead of bf16's seven.
TEST_P(CudaGolden, IsNotFarWithAnFp8Cache) {
  const GoldenSetup setup{
      .dtype = WeightFormat::kBF16, .cache = DType::kF8, .module = &CudaModule(), .chunk = 40};
  if (LoadModelSpec(GetParam()).head_count >= size())
    ExpectGolden(LoadGoldenCase(GetParam()), comm(), setup);
}

std::vector<std::filesystem::path> Cases() {
  std::vector<std::filesystem::path> cases;
  for (const std::filesystem::path& path : GoldenCases())
    for (const char* name :
         {"gptj_5_heads_fp16", "gptj_d_head_256_old_config", "neox_12_heads_pythia_config",
          "neox_d_head_80", "neox_sequential_exact_gelu", "gpt2_scores_by_layer"})
      if (path.filename() == name) cases.push_back(path);
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Transformers, CudaGolden, ::testing::ValuesIn(Cases()),
                         [](const auto& one) { return one.param.filename().string(); });

Backend OpenBackend(int device) { return CudaModule().MakeBackend(device, {}); }

class CudaLogits : public MultiRank {};

// Those that the engine finds on the host: coarse values, so that many are equal; zeros of both
// signs; and columns behind the limit that are larger.
TEST_F(CudaLogits, LargestAreThoseOfTheHost) {
  constexpr std::int64_t kRows = 4, kColumns = 700, kLimit = 650, kCount = 40;
  const Backend backend = OpenBackend(rank() % CudaModule().DeviceCount());
  const Tensor host = Tensor::OnHost(DType::kF32, {kRows, kColumns});
  for (std::int64_t i = 0; i < kRows * kColumns; ++i) {
    const auto value = static_cast<float>((i * 7919 + i / 13) % 41 - 20) / 4.0f;
    host.view().data<float>()[i] = i % kColumns >= kLimit ? 100.0f : i % 3 == 0 ? -value : value;
  }
  const Tensor logits = backend.device->Allocate(DType::kF32, {kRows, kColumns});
  backend.device->Upload(host.view(), logits.view());
  const auto found = backend.ops->LargestLogits(logits.view(), kLimit, kCount).value();
  ASSERT_EQ(found.size(), static_cast<std::size_t>(kRows * kCount));
  for (std::int64_t row = 0; row < kRows; ++row) {
    const std::span values(host.view().data<float>() + row * kColumns, kLimit);
    const auto expected = Likeliest(values, kCount, 0);
    for (std::int64_t i = 0; i < kCount; ++i) {
      const auto one = static_cast<std::size_t>(i);
      const ColumnLogit& of = found[static_cast<std::size_t>(row * kCount + i)];
      EXPECT_EQ(of.logit, expected[one].logit) << row << ", " << i;
      if (of.logit == 0.0f) continue;  // in another order: the engine sorts them
      EXPECT_EQ(of.column, expected[one].token) << row << ", " << i;
    }
  }
  EXPECT_TRUE(backend.ops->LargestLogits(logits.view(), kLimit, 5000) == std::nullopt);
}

// The engine asks the devices, and for more than they search for downloads the row: both give what
// whole rows do.
TEST_F(CudaLogits, LikeliestTokensAreThoseOfWholeRows) {
  const GoldenCase golden = LoadGoldenCase(SourceFolder() / "tests/golden/cases/gptj_5_heads_fp16");
  GoldenModel model(golden.folder, comm(), {.dtype = WeightFormat::kBF16, .module = &CudaModule()});
  const auto& tokens = golden.prompts[2].tokens;
  for (const std::int64_t count : {3, 40, 500, 1030, 5000}) {
    StepMessage message;
    message.step = 1;
    message.stages = {1};
    message.vocab_limit = golden.vocab_used;
    message.batch = {.ids = {tokens.begin(), tokens.begin() + 8},
                     .sequences = {{.token_count = 8, .start = 0, .page_table = {0}}},
                     .logit_rows = {2, 7}};
    message.questions = {{.row = 0, .likeliest = count}, {.row = 1, .likeliest = 2}};
    StepMessage whole = message;
    whole.step = 2;
    whole.stages = {2};
    for (RowQuestion& question : whole.questions) {
      question.likeliest = 0;
      for (std::int32_t token = 0; token < golden.vocab_used; ++token)
        question.taken.push_back(token);
    }
    StepExecutor executor(model.decoder(), comm());
    const auto found = executor.Run(message);
    const auto rows = executor.Run(whole);
    if (rank() != 0) continue;
    for (const std::size_t row : {0u, 1u}) {
      std::vector<float> logits;
      for (const Candidate& one : rows[row].taken) logits.push_back(one.logit);
      EXPECT_EQ(found[row].likeliest, Likeliest(logits, row == 0 ? count : 2, 0)) << count;
    }
  }
}

class CudaRates : public MultiRank {};

// What benchmarks compare with.
TEST_F(CudaRates, DevicesSayHowFastTheyReadAndMultiply) {
  const Backend backend = OpenBackend(rank() % CudaModule().DeviceCount());
  const std::vector<DeviceRate> rates = CudaModule().MeasureRates(backend);
  ASSERT_EQ(rates.size(), 2U);
  EXPECT_EQ(rates[0].kind, DeviceRate::Kind::kRead);
  EXPECT_EQ(rates[1].kind, DeviceRate::Kind::kBf16);
  for (const DeviceRate& rate : rates) EXPECT_GT(rate.per_second, 1e6);
}

class CudaSums : public MultiRank {
 protected:
  // A device of its own for each rank, where there are several.
  int Device() const { return rank() % CudaModule().DeviceCount(); }

  // Runs an all-reduce of so many values and returns the error that it ends in, or "".
  std::string Sum(Reducer& sums, const Backend& backend, std::int64_t count) {
    const Tensor x = sums.AllocateReducible({count});
    try {
      sums.AllReduceSum(x.view(), backend.device->stream());
      backend.device->Synchronize();
    } catch (const CollectiveError& error) {
      return error.what();
    }
    return "";
  }
};

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// As the environment has it: devices to read from (or a rank sees its own alone, which is no
// slice), whose memory is what it says, few enough ranks, and not switched off.
bool PeersAreWanted(int ranks) {
  const std::string visible = Variable("CUDA_VISIBLE_DEVICES");
  const bool reach = CudaModule().DeviceCount() > 1 || !Variable("LOCKSTEP_SHARED_GPU").empty() ||
                     (!visible.empty() && !visible.starts_with("MIG-"));
  // Broken on some of the ranks, none has it.
  const bool whole = Variable("LOCKSTEP_TEST_BROKEN_PEERS").empty();
  return ranks > 1 && ranks <= 8 && reach && whole && Variable("LOCKSTEP_PEER_REDUCE") != "off";
}

// Sums of these sizes on every rank, in turns, and those of SumTree() to compare with.
void ExpectSumsInTheOrderOfTheTree(const ControlPlane& world, Reducer& sums,
                                   const Backend& backend) {
  for (const std::int64_t count : {7, 4096, 1000, 6000, 300000}) {
    const Tensor host = Tensor::OnHost(DType::kF32, {count});
    const auto value = [&](int rank, std::int64_t i) {
      return std::ldexp(static_cast<float>(1 + (i * 7 + rank * 13) % 101), (rank * 5 + 3) % 9);
    };
    for (std::int64_t i = 0; i < count; ++i)
      host.view().data<float>()[i] = value(world.rank(), i) / 3.0f;
    const Tensor x = sums.AllocateReducible({count});
    backend.device->Upload(host.view(), x.view());
    sums.AllReduceSum(x.view(), backend.device->stream());
    backend.device->Download(x.view(), host.view());
    std::vector<float> values(static_cast<std::size_t>(world.size()));
    for (std::int64_t i = 0; i < count; ++i) {
      for (int rank = 0; rank < world.size(); ++rank)
        values[static_cast<std::size_t>(rank)] = value(rank, i) / 3.0f;
      ASSERT_EQ(host.view().data<float>()[i], SumTree(values)) << i << " of " << count;
    }
  }
}

// $LOCKSTEP_PEER_REDUCE says how much of a sum fits, and the runs of this test have small and large
// values there: sums of one shot, of two, and of pieces or by NCCL.
TEST_F(CudaSums, ThroughPeersMemoryHaveTheBitsOfTheCpus) {
  const Backend backend = OpenBackend(Device());
  const auto sums = CudaModule().MakeReducer(comm(), backend);
  const bool peers = sums->transport().starts_with("peer memory");
  // Over slow links what is quicker is used, which time alone decides.
  const bool timed = Variable("LOCKSTEP_CUDA_LINKS") == "pcie";
  EXPECT_EQ(peers, timed ? peers : PeersAreWanted(size())) << sums->transport();
  // The emulated NCCL adds up to three ranks in their order, which is the tree's.
  if (peers || timed || size() <= 2) ExpectSumsInTheOrderOfTheTree(comm(), *sums, backend);
  const std::string_view mine = sums->transport();
  for (const auto& theirs : comm().AllGather(std::as_bytes(std::span(mine))))
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(theirs.data()), theirs.size()), mine);
}

// Whatever makes them: peers' memory, in pieces where they are large, or NCCL, which gathers.
TEST_F(CudaSums, InAFixedOrderHaveTheBitsOfTheCpus) {
  const Backend backend =
      CudaModule().MakeBackend(Device(), {.batch_invariant = BatchInvariance::kOn});
  const auto sums = CudaModule().MakeReducer(comm(), backend);
  ExpectSumsInTheOrderOfTheTree(comm(), *sums, backend);
}

TEST_F(CudaSums, AddEveryRanksValues) {
  const Backend backend = OpenBackend(Device());
  const auto sums = CudaModule().MakeReducer(comm(), backend);
  const Tensor host = Tensor::OnHost(DType::kF32, {1000});
  for (std::int64_t i = 0; i < 1000; ++i)
    host.view().data<float>()[i] = static_cast<float>(i * (rank() + 1));
  const Tensor x = sums->AllocateReducible({1000});
  backend.device->Upload(host.view(), x.view());
  sums->AllReduceSum(x.view(), backend.device->stream());
  backend.device->Download(x.view(), host.view());
  for (std::int64_t i = 0; i < 1000; ++i)
    EXPECT_EQ(host.view().data<float>()[i], static_cast<float>(i * size() * (size() + 1) / 2));
  EXPECT_EQ(sums->all_reduce_count(), 1);
}

TEST_F(CudaSums, OfDifferentSizesAreAnErrorThatNamesThem) {
  if (size() == 1) return;
  const Backend backend = OpenBackend(Device());
  const auto sums = CudaModule().MakeReducer(comm(), backend);
  const DeadlineScope soon(comm(), 5);
  const std::string error = Sum(*sums, backend, rank() == 0 ? 8 : 16);
  EXPECT_THAT(error, HasSubstr("all-reduce 1 of"));
  EXPECT_THAT(error, AnyOf(HasSubstr("of 8 values"), HasSubstr("of 16 values")));
}

// As where NCCL makes connections in a call and a peer does not answer: nobody can look meanwhile.
TEST_F(CudaSums, CallsThatDoNotReturnAreEnded) {
  if (Variable("LOCKSTEP_NCCL_BLOCK").empty()) GTEST_SKIP() << "LOCKSTEP_NCCL_BLOCK is not set";
  const Backend backend = OpenBackend(Device());
  const auto sums = CudaModule().MakeReducer(comm(), backend);
  const DeadlineScope soon(comm(), 2);
  EXPECT_THAT(Sum(*sums, backend, 8), HasSubstr("ncclAllReduce did not return within 2 s"));
}

TEST_F(CudaSums, ThatARankDoesNotTakePartInNameIt) {
  if (size() == 1) return;
  const Backend backend = OpenBackend(Device());
  const auto sums = CudaModule().MakeReducer(comm(), backend);
  const DeadlineScope soon(comm(), 2);
  EXPECT_EQ(Sum(*sums, backend, 8), "");
  std::string error;
  if (rank() != 1) error = Sum(*sums, backend, 8);
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
