// The bits of the logits by parallel.batch_invariant: on, in any chunks of a prompt, in any batch,
// and on any of 1, 2, 4 and 8 ranks with a GPU each. LOCKSTEP_CUDA_MODULE says which module.
#include "comm/self_communicator.h"
#include "engine/step_executor.h"
#include "layers/kernels/device_module.h"
#include "partition/model/config_json.h"
#include "tests/multi_rank/bits_case.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/seeded_weights.h"

namespace lockstep::testing {
namespace {

class CudaSameBits : public MultiRank, public ::testing::WithParamInterface<BitsCase> {
 protected:
  static constexpr std::int64_t kMostSequences = 64;
  static constexpr std::int64_t kTokens = 13;

  void SetUp() override {
    if (GetParam().format == WeightFormat::kF8 && !MultipliesFp8())
      GTEST_SKIP() << "this GPU does not multiply fp8";
    folder_ = SourceFolder() / "tests/golden/cases" / GetParam().name;
    tokens_ = LoadGoldenCase(folder_).prompts.back().tokens;
  }

  static bool MultipliesFp8() {
    const Backend backend = CudaModule().MakeBackend(0, {});
    Tensor one = Tensor::OnHost(DType::kF32, {1, 1});
    one.view().data<float>()[0] = 1.0f;
    LinearSource source{.parts = {}, .bias = {}, .format = WeightFormat::kF8};
    source.parts.push_back({std::move(one), {}});
    try {
      backend.ops->MakeLinear(std::move(source));
    } catch (const Error& error) {
      return error.code() != ExitCode::kBadInput;
    }
    return true;
  }

  std::unique_ptr<GoldenModel> Open(Communicator& communicator,
                                    DecoderOptions::Sums sums = DecoderOptions::Sums::kAwaited) {
    return std::make_unique<GoldenModel>(
        folder_, communicator,
        GoldenSetup{.dtype = GetParam().format,
                    .module = &CudaModule(),
                    .settings = {.batch_invariant = BatchInvariance::kOn},
                    .cache_pages = kMostSequences,
                    .sums = sums});
  }

  std::filesystem::path folder_;
  std::vector<std::int32_t> tokens_;
};

TEST_P(CudaSameBits, InAnyChunksAndOnAnyOf1248Ranks) {
  const std::vector<std::int32_t> text(tokens_.begin(), tokens_.begin() + kTokens);
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < kTokens; ++row) rows.push_back(row);
  std::vector<float> expected;
  // Other numbers of ranks have bits of their own.
  const bool as_alone = ShardPlan::kLeaves % size() == 0;
  if (as_alone && rank() == 0) {
    SelfCommunicator self;
    expected = Open(self)->Logits(text, rows, kTokens);
  }
  const auto model = Open(comm());
  for (const std::int64_t chunk : {kTokens, std::int64_t{1}, std::int64_t{6}}) {
    const std::vector<float> together = model->Logits(text, rows, chunk);
    if (rank() != 0) continue;
    if (expected.empty()) expected = together;
    EXPECT_EQ(CountOfOtherBits(together, expected), 0u) << "in chunks of " << chunk;
  }
}

// What is said of one sequence, beside `others` of other lengths: its logits behind its prompt and
// behind each of two more tokens. Of this rank's part of the vocabulary.
std::vector<float> LogitsBeside(std::int64_t others, const std::vector<std::int32_t>& tokens,
                                GoldenModel& model) {
  std::vector<float> logits;
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(1 + others), 0);
  for (const bool is_prompt : {true, false, false}) {
    Batch batch;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      const std::int64_t count = !is_prompt ? 1 : i == 0 ? 5 : 1 + static_cast<std::int64_t>(i % 2);
      batch.sequences.push_back({.first_row = std::ssize(batch.ids),
                                 .token_count = count,
                                 .start = lengths[i],
                                 .page_table = {static_cast<std::int32_t>(i)}});
      for (std::int64_t at = 0; at < count; ++at)
        batch.ids.push_back(
            tokens[(i * 3 + static_cast<std::size_t>(lengths[i] + at)) % tokens.size()]);
      batch.logit_rows.push_back(std::ssize(batch.ids) - 1);
      lengths[i] += count;
    }
    const TensorView all = model.decoder().Forward(batch);
    const Tensor own = Tensor::OnHost(DType::kF32, {1, all.dim(1)});
    model.device().Download(all.Rows(0, 1), own.view());
    const float* values = own.view().data<float>();
    logits.insert(logits.end(), values, values + all.dim(1));
  }
  return logits;
}

TEST_P(CudaSameBits, InAnyBatch) {
  const auto model = Open(comm());
  const std::vector<float> alone = LogitsBeside(0, tokens_, *model);
  EXPECT_FALSE(alone.empty());
  for (const std::int64_t others : {1, 8, 63})
    EXPECT_EQ(CountOfOtherBits(LogitsBeside(others, tokens_, *model), alone), 0u)
        << "beside " << others;
}

// The log-sum-exp is made of leaves of the vocabulary, and so are the sums that top-p asks for.
TEST_P(CudaSameBits, OfSumsOverTheVocabulary) {
  const auto answer = [&](Communicator& communicator) {
    const auto model = Open(communicator);
    const std::int64_t vocab = LoadModelSpec(folder_).vocab_rows;
    StepMessage message;
    message.step = 1;
    message.stages = {1};
    message.vocab_limit = vocab;
    message.batch = {.ids = {tokens_.begin(), tokens_.begin() + 3},
                     .sequences = {{.token_count = 3, .start = 0, .page_table = {0}}},
                     .logit_rows = {2}};
    message.questions = {{.row = 0, .target = 5}};
    StepExecutor executor(model->decoder(), communicator);
    const std::vector<RowAnswer> first = executor.Run(message);
    message.batch = {};
    message.stages = {};
    message.questions.front() = {
        .row = 0, .temperature = 0.7, .bounds = {{5, 0.0f}, {7, 0.1f}}, .reference = 0.25f};
    const std::vector<RowAnswer> then = executor.Run(message);
    std::vector<double> numbers;
    if (communicator.rank() != 0) return numbers;
    numbers = then.front().masses;
    numbers.push_back(first.front().log_sum_exp);
    return numbers;
  };
  if (ShardPlan::kLeaves % size() != 0) GTEST_SKIP() << "bits of their own on " << size();
  std::vector<double> alone;
  if (rank() == 0) {
    SelfCommunicator self;
    alone = answer(self);
  }
  EXPECT_EQ(answer(comm()), alone);
}

struct LongSteps {
  std::vector<float> logits;  // of this rank's part of the vocabulary
  std::int64_t sums = 0;
};

// Two steps of parts of prompts, long enough to go by halves, of which a sequence is in both; then
// one of single tokens.
LongSteps RunLongSteps(const std::vector<std::int32_t>& tokens, GoldenModel& model) {
  constexpr std::int64_t kSequences = 3, kPages = 4;
  LongSteps run;
  const std::int64_t before = model.all_reduce_count();
  std::int64_t start = 0;
  for (const std::int64_t count : {23, 25, 1}) {
    Batch batch;
    for (std::int64_t i = 0; i < kSequences; ++i) {
      SequenceRows& sequence = batch.sequences.emplace_back(SequenceRows{
          .first_row = i * count, .token_count = count, .start = start, .page_table = {}});
      for (std::int64_t page = 0; page < kPages; ++page)
        sequence.page_table.push_back(static_cast<std::int32_t>(i * kPages + page));
      for (std::int64_t at = 0; at < count; ++at)
        batch.ids.push_back(tokens[static_cast<std::size_t>(i + start + at) % tokens.size()]);
      batch.logit_rows.push_back((i + 1) * count - 1);
    }
    start += count;
    const TensorView logits = model.decoder().Forward(batch);
    const Tensor host = Tensor::OnHost(DType::kF32, logits.shape());
    model.device().Download(logits, host.view());
    const auto* values = host.view().data<float>();
    run.logits.insert(run.logits.end(), values, values + host.view().elements());
  }
  run.sums = model.all_reduce_count() - before;
  return run;
}

// The sums of one half of the rows on a queue of their own, while the other half is computed.
TEST_P(CudaSameBits, OfSumsBesideTheProductsOfTheOtherHalf) {
  const LongSteps awaited = RunLongSteps(tokens_, *Open(comm()));
  const LongSteps beside =
      RunLongSteps(tokens_, *Open(comm(), DecoderOptions::Sums::kBesideProducts));
  EXPECT_FALSE(awaited.logits.empty());
  EXPECT_EQ(CountOfOtherBits(beside.logits, awaited.logits), 0u);
  EXPECT_GT(beside.sums, awaited.sums) << "or no step went by halves";
}

INSTANTIATE_TEST_SUITE_P(
    Models, CudaSameBits,
    ::testing::Values(BitsCase{"gptj_12_heads_exact_gelu", WeightFormat::kBF16},
                      BitsCase{"gptj_12_heads_exact_gelu", WeightFormat::kInt8},
                      BitsCase{"gptj_12_heads_exact_gelu", WeightFormat::kInt4},
                      BitsCase{"gptj_12_heads_exact_gelu", WeightFormat::kF8},
                      BitsCase{"neox_unit_rotary_pct_16_heads", WeightFormat::kF16},
                      BitsCase{"neox_sequential_exact_gelu", WeightFormat::kBF16}),
    [](const auto& one) { return NameOf(one.param); });

}  // namespace
}  // namespace lockstep::testing
