// Steps of a decoder that has reserved its memory: they neither allocate nor free any.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "comm/nccl/device_reducer.h"
#include "comm/self_communicator.h"
#include "layers/decoder.h"
#include "layers/kernels/cuda/cuda_backend.h"
#include "layers/kernels/cuda/steps/cuda_graphs.h"
#include "lockstep_emulation/control.h"
#include "partition/checkpoint/random_weights.h"

namespace lockstep::cuda {
namespace {

constexpr std::int64_t kContext = 300;
constexpr std::int64_t kPages = 40;

struct Setup {
  WeightFormat format = WeightFormat::kBF16;
  DType cache = DType::kBF16;
  BatchInvariance batch_invariant = BatchInvariance::kOff;
  StepLimits limits = {.tokens = 48, .logit_rows = 30, .sequences = 20, .positions = kContext};
};

ModelSpec Spec(Family family) {
  ModelSpec spec;
  spec.family = family;
  spec.layer_count = 1;
  spec.d_model = 64;
  spec.head_count = 2;
  spec.d_ff = 256;
  spec.rotary_dims = 8;
  spec.vocab_rows = 96;
  spec.context_tokens = kContext;
  spec.parallel_residual = true;
  return spec;
}

class ReservedDecoder {
 public:
  ReservedDecoder(Family family, const Setup& setup)
      : plan_(Spec(family), 1),
        backend_(MakeBackend(0, {.batch_invariant = setup.batch_invariant})),
        sums_(world_,
              {.allocate =
                   [this](Shape shape) { return backend_.device->Allocate(DType::kF32, shape); },
               .set_liveness_check = [](auto) {},
               .activity = [] { return ""; },
               .forget_steps = [] {},
               .repeat_at_replay = RepeatAtReplay}),
        decoder_(plan_,
                 LoadWeights(plan_.spec(), plan_.Slices(0), setup.format, RandomWeights(1),
                             backend_, nullptr),
                 backend_, sums_, {.cache_pages = kPages, .cache_dtype = setup.cache}) {
    decoder_.Reserve(setup.limits);
    decoder_.Connect();
  }

  // A step of sequences of so many new tokens each, that have so many in the cache; every question
  // about its logits is asked.
  void Step(std::int64_t sequences, std::int64_t tokens, std::int64_t start) {
    Batch batch;
    for (std::int64_t i = 0; i < sequences; ++i) {
      SequenceRows rows{
          .first_row = i * tokens, .token_count = tokens, .start = start, .page_table = {}};
      for (std::int64_t page = 0; page * 32 < start + tokens; ++page)
        rows.page_table.push_back(static_cast<std::int32_t>((i * 10 + page) % kPages));
      batch.sequences.push_back(std::move(rows));
      batch.logit_rows.push_back((i + 1) * tokens - 1);
    }
    batch.ids.assign(static_cast<std::size_t>(sequences * tokens), 5);
    const TensorView logits = decoder_.Forward(batch);
    const std::vector<std::int64_t> targets(batch.logit_rows.size(), 3);
    const std::vector<Range> leaves(static_cast<std::size_t>(ShardPlan::kLeaves), Range{0, 96});
    backend_.ops->Statistics(logits, targets, leaves);
    backend_.ops->LargestLogits(logits, 96, 90);
    const Tensor host = Tensor::OnHost(DType::kF32, {1, 96});
    backend_.device->Download(logits.Rows(0, 1), host.view());
  }

 private:
  SelfCommunicator world_;
  ShardPlan plan_;
  Backend backend_;
  DeviceReducer sums_;
  Decoder decoder_;
};

struct Counts {
  std::uint64_t allocations = cuda_emulation::statistics().allocations;
  std::uint64_t frees = cuda_emulation::statistics().frees;
  bool operator==(const Counts&) const = default;
};

// From small steps to the largest, and those that are recorded and replayed.
void ExpectNoAllocations(Family family, const Setup& setup) {
  ReservedDecoder decoder(family, setup);
  const Counts before;
  const auto step = [&](std::int64_t sequences, std::int64_t tokens, std::int64_t start) {
    if (sequences > setup.limits.sequences || sequences * tokens > setup.limits.tokens) return;
    decoder.Step(sequences, tokens, start);
    EXPECT_EQ(Counts(), before) << sequences << " sequences of " << tokens << " at " << start;
  };
  step(1, 1, 0);
  step(1, 9, 0);
  step(2, 2, 100);
  step(1, setup.limits.tokens, kContext - setup.limits.tokens);
  for (int run = 0; run < 3; ++run) step(3, 1, 40);
  const std::int64_t most = std::min(setup.limits.sequences, setup.limits.logit_rows);
  for (int run = 0; run < 3; ++run) step(most, 1, kContext - 1);
  step(most, setup.limits.tokens / most, 7);
}

TEST(ReservedSteps, NeitherAllocateNorFree) {
  ExpectNoAllocations(Family::kGptNeoX, {});
  ExpectNoAllocations(Family::kGptJ, {});
}

TEST(ReservedSteps, OfWeightsInEightBitsWidenThemInTheirPlace) {
  ExpectNoAllocations(
      Family::kGptNeoX,
      {.format = WeightFormat::kInt8,
       .cache = DType::kF8,
       .limits = {.tokens = 290, .logit_rows = 30, .sequences = 20, .positions = kContext}});
}

TEST(ReservedSteps, OfWeightsInFewerBitsNeitherAllocateNorFree) {
  for (const WeightFormat format : {WeightFormat::kInt8, WeightFormat::kInt4, WeightFormat::kF8})
    ExpectNoAllocations(Family::kGptJ, {.format = format});
}

TEST(ReservedSteps, OfOneOrderNeitherAllocateNorFree) {
  for (const WeightFormat format :
       {WeightFormat::kBF16, WeightFormat::kInt8, WeightFormat::kInt4, WeightFormat::kF8})
    ExpectNoAllocations(Family::kGptJ, {.format = format, .batch_invariant = BatchInvariance::kOn});
}

// Rows are filled up to 1, 2, 4, 8 and multiples of it.
TEST(ReservedSteps, AreFilledUpWithinTheirMemory) {
  for (const std::int64_t tokens : {1, 3, 7, 9})
    ExpectNoAllocations(
        Family::kGptJ,
        {.limits = {
             .tokens = tokens, .logit_rows = tokens, .sequences = tokens, .positions = kContext}});
}

}  // namespace
}  // namespace lockstep::cuda
