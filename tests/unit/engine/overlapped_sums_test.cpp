// Sums of one half of a step's rows beside the products of the other: who begins and ends when,
// never how long anything takes.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "layers/decoder.h"
#include "layers/kernels/host_backend.h"
#include "partition/checkpoint/checkpoint.h"
#include "partition/model/config_json.h"
#include "tests/support/seeded_weights.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

// Which parts of sums have been begun to be computed, which is what a sum may wait for.
class Begun {
 public:
  void Add() {
    {
      const std::lock_guard lock(mutex_);
      ++count_;
    }
    changed_.notify_all();
  }
  // Long enough for any machine; false: it has not come.
  bool Await(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

// Tells when attention and MLP of some rows begin.
class ToldSteps final : public StepRunner {
 public:
  explicit ToldSteps(Begun& begun) : begun_(begun) {}
  StepRows Reserve(const StepSizes& sizes) override { return host_.Reserve(sizes); }
  StepRows Begin(const StepInputs& inputs) override { return host_.Begin(inputs); }
  void Run(const void* caller, const std::function<void()>& operations) override {
    host_.Run(caller, operations);
  }
  void RunConcurrently(const std::function<void()>& first,
                       const std::function<void()>& linear) override {
    begun_.Add();
    host_.RunConcurrently(first, linear);
  }

 private:
  HostStepRunner host_;
  Begun& begun_;
};

// Rank 0 of two, of which the other one adds nothing: a network so slow that a sum takes until the
// next rows are being computed.
class SlowSums final : public Reducer {
 public:
  SlowSums(Begun& begun, int last) : begun_(begun), last_(last) {}

  int rank() const override { return 0; }
  int size() const override { return 2; }
  void AllReduceSum(const TensorView& x, Stream) override {
    rows.push_back(x.dim(0));
    const int sum = static_cast<int>(rows.size()) - 1;  // 0 is the embedding's
    if (sum > 0 && sum < last_ && !begun_.Await(sum + 1)) ++missed;
  }

  std::vector<std::int64_t> rows;
  int missed = 0;  // sums that would have been waited for in vain

 private:
  Begun& begun_;
  int last_;
};

// Adds nothing, at once.
class QuickSums final : public Reducer {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void AllReduceSum(const TensorView& x, Stream) override { rows.push_back(x.dim(0)); }
  std::vector<std::int64_t> rows;
};

constexpr std::int64_t kFirstTokens = 50;
constexpr std::int64_t kOtherTokens = 31;

// Two sequences, the first of which is in both halves.
Batch TwoPrompts() {
  Batch batch;
  for (std::int64_t i = 0; i < kFirstTokens + kOtherTokens; ++i)
    batch.ids.push_back(static_cast<std::int32_t>(7 * i % 83));
  batch.sequences = {
      {.first_row = 0, .token_count = kFirstTokens, .start = 0, .page_table = {0, 1, 2, 3}},
      {.first_row = kFirstTokens, .token_count = kOtherTokens, .start = 0, .page_table = {4, 5}}};
  for (std::int64_t row = 0; row < kFirstTokens + kOtherTokens; ++row)
    batch.logit_rows.push_back(row);
  return batch;
}

class OverlappedSums : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path folder() const {
    return SourceFolder() / "tests/golden/cases" / GetParam();
  }

  std::int64_t rows_beside_sums_ = 64;

  // The logits of this rank's rows, of two prompts.
  std::vector<float> Logits(Reducer& reducer, DecoderOptions::Sums sums, Begun* begun = nullptr) {
    Backend backend = MakeBackend(BackendKind::kCpu, 1);
    if (begun != nullptr) backend.steps = std::make_unique<ToldSteps>(*begun);
    const ShardPlan plan(LoadModelSpec(folder()), 2);
    const TemporaryFolder scratch;
    const Checkpoint checkpoint =
        Checkpoint::Open(GoldenCheckpoint(folder(), scratch / "checkpoint"));
    ModelWeights weights = LoadWeights(plan.spec(), plan.Slices(0), WeightFormat::kF32,
                                       ReaderOf(checkpoint, plan.spec()), backend, nullptr);
    Decoder decoder(plan, std::move(weights), backend, reducer,
                    {.cache_pages = 6, .sums = sums, .rows_beside_sums = rows_beside_sums_});
    const TensorView logits = decoder.Forward(TwoPrompts());
    const float* values = logits.data<float>();
    return {values, values + logits.elements()};
  }
};

TEST_P(OverlappedSums, HaveTheSameBits) {
  QuickSums awaited;
  QuickSums overlapped;
  EXPECT_EQ(Logits(overlapped, DecoderOptions::Sums::kBesideProducts),
            Logits(awaited, DecoderOptions::Sums::kAwaited));
  ASSERT_EQ(overlapped.rows.size(), 2 * awaited.rows.size() - 1) << "all but the embedding's";
  for (std::size_t sum = 1; sum < overlapped.rows.size(); ++sum)
    EXPECT_EQ(overlapped.rows[sum], sum % 2 == 1 ? 40 : 41);
}

// Weights would be read for each half of a step that has little to compute meanwhile.
TEST_P(OverlappedSums, AreAwaitedInShortSteps) {
  EXPECT_EQ(DecoderOptions{}.rows_beside_sums, 256);
  for (const std::int64_t longer : {0, 1}) {
    rows_beside_sums_ = kFirstTokens + kOtherTokens + longer;
    QuickSums sums;
    Logits(sums, DecoderOptions::Sums::kBesideProducts);
    EXPECT_EQ(sums.rows.back() == kFirstTokens + kOtherTokens, longer == 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, OverlappedSums,
                         testing::Values("neox_12_heads_pythia_config", "gptj_16_heads",
                                         "neox_sequential_exact_gelu", "gpt2_12_heads"),
                         [](const auto& one) { return std::string(one.param); });

using OverlappedSumsOfParallelBlocks = OverlappedSums;

TEST_P(OverlappedSumsOfParallelBlocks, TravelWhileTheOtherHalfIsComputed) {
  const int sums = 2 * static_cast<int>(LoadModelSpec(folder()).layer_count);
  Begun begun;
  SlowSums slow(begun, sums);
  Logits(slow, DecoderOptions::Sums::kBesideProducts, &begun);
  EXPECT_EQ(slow.rows.size(), static_cast<std::size_t>(1 + sums));
  EXPECT_EQ(slow.missed, 0);
}

INSTANTIATE_TEST_SUITE_P(Models, OverlappedSumsOfParallelBlocks,
                         testing::Values("neox_12_heads_pythia_config", "gptj_16_heads"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace lockstep
