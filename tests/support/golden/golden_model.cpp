#include "tests/support/golden/golden_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/files/file.h"
#include "core/json.h"
#include "engine/engine.h"
#include "partition/checkpoint/formats/safetensors.h"
#include "partition/model/config_json.h"
#include "tests/support/golden/score_tokens.h"
#include "tests/support/seeded_weights.h"

namespace lockstep {
namespace {

// The arrays of expected.safetensors by name.
class Expected {
 public:
  explicit Expected(const std::filesystem::path& path) : file_(OpenSafetensors(path)) {}

  template <typename T>
  std::vector<T> Read(const std::string& name) const {
    for (const StoredTensor& tensor : file_.tensors) {
      if (tensor.name != name) continue;
      std::int64_t count = 1;
      for (const std::int64_t extent : tensor.shape) count *= extent;
      std::vector<T> values(static_cast<std::size_t>(count));
      const auto bytes = file_.file->bytes().subspan(tensor.offset, values.size() * sizeof(T));
      std::memcpy(values.data(), bytes.data(), bytes.size());
      return values;
    }
    return {};
  }

 private:
  TensorFile file_;
};

struct Difference {
  double max = 0.0;
  double mean = 0.0;
};

Difference Compare(const std::vector<float>& found, const std::vector<float>& expected) {
  EXPECT_EQ(found.size(), expected.size());
  Difference difference;
  for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
    const double one = std::abs(static_cast<double>(found[i]) - expected[i]);
    difference.max = std::max(difference.max, one);
    difference.mean += one / static_cast<double>(expected.size());
  }
  return difference;
}

// Over all prompts of a case: how far off this run is, and how far off transformers' own bf16 is.
struct CaseError {
  Difference own;
  Difference transformers;

  void Add(const Difference& difference, const GoldenPrompt& prompt) {
    own.max = std::max(own.max, difference.max);
    own.mean += difference.mean;
    transformers.max = std::max(transformers.max, prompt.bf16_max_error);
    transformers.mean += prompt.bf16_mean_error;
  }
};

// The contract is 2e-4; fp32 rounding stays two orders below it, and so do we.
constexpr double kFp32Tolerance = 1e-5;

void ExpectEngineAgrees(const GoldenCase& golden, GoldenModel& model, Communicator& communicator) {
  if (communicator.rank() != 0) return RunWorker(model.decoder(), communicator);
  Engine engine(model.decoder(), communicator,
                {.max_sequences = 3, .max_step_tokens = 33, .sampled_vocab = golden.vocab_used});
  std::vector<std::vector<std::int32_t>> generated(golden.prompts.size());
  for (std::size_t k = 0; k < golden.prompts.size(); ++k) {
    const GoldenPrompt& prompt = golden.prompts[k];
    if (prompt.greedy.empty()) continue;
    engine.Submit(
        {.id = static_cast<std::int64_t>(k),
         .prompt = prompt.tokens,
         .sampling = {.max_new_tokens = static_cast<std::int64_t>(prompt.greedy.size())}});
  }
  while (!engine.idle())
    for (const TokenEvent& event : engine.Step())
      generated[static_cast<std::size_t>(event.request)].push_back(event.token);
  for (std::size_t k = 0; k < golden.prompts.size(); ++k) {
    const GoldenPrompt& prompt = golden.prompts[k];
    EXPECT_EQ(generated[k], prompt.greedy) << "prompt " << k;
    const Score score = ScoreTokens(engine, prompt.tokens);
    EXPECT_LE(Compare(score.logprobs, prompt.logprobs).max, kFp32Tolerance * prompt.max_abs_logit);
    const std::vector<std::int32_t> top(prompt.argmax.begin(), prompt.argmax.end() - 1);
    EXPECT_EQ(score.top, top) << "prompt " << k;
  }
  engine.Shutdown();
}

}  // namespace

GoldenCase LoadGoldenCase(const std::filesystem::path& folder) {
  const auto path = folder / "golden.json";
  const Json json = ParseJson(ReadFile(path), path.string());
  const Expected expected(folder / "expected.safetensors");
  GoldenCase golden{.folder = folder, .vocab_used = json.at("vocab_used"), .prompts = {}};
  for (const Json& entry : json.at("prompts")) {
    const std::string prefix = fmt::format("prompt{}.", golden.prompts.size());
    golden.prompts.push_back({.tokens = entry.at("tokens"),
                              .greedy = entry.at("greedy"),
                              .rows = entry.at("rows"),
                              .max_abs_logit = entry.at("max_abs_logit"),
                              .bf16_max_error = entry.at("hf_bf16").at("max_abs_error"),
                              .bf16_mean_error = entry.at("hf_bf16").at("mean_abs_error"),
                              .logits = expected.Read<float>(prefix + "logits"),
                              .logprobs = expected.Read<float>(prefix + "logprobs"),
                              .argmax = expected.Read<std::int32_t>(prefix + "argmax")});
  }
  return golden;
}

GoldenModel::GoldenModel(const std::filesystem::path& case_folder, Communicator& communicator,
                         const GoldenSetup& setup)
    : communicator_(communicator),
      grid_(communicator,
            {.tensor = communicator.size() / setup.stages, .pipeline = setup.stages, .data = 1}),
      plan_(LoadModelSpec(case_folder), grid_.shape().tensor, setup.stages),
      backend_(setup.module != nullptr
                   ? setup.module->MakeBackend(communicator.rank() % setup.module->DeviceCount(),
                                               setup.settings)
                   : MakeBackend(setup.backend, setup.threads)),
      device_sums_(setup.module != nullptr ? setup.module->MakeReducer(grid_.tensor(), backend_)
                                           : nullptr),
      sums_(device_sums_ != nullptr ? *device_sums_ : static_cast<Reducer&>(grid_.tensor())) {
  const Checkpoint checkpoint =
      Checkpoint::Open(GoldenCheckpoint(case_folder, scratch_ / "checkpoint"));
  ModelWeights weights = LoadWeights(plan_.spec(), plan_.Slices(communicator.rank()), setup.dtype,
                                     ReaderOf(checkpoint, plan_.spec()), backend_, nullptr);
  // Pages are shared out by the engine or by Logits().
  const std::int64_t contexts = 3 * KvCache::PagesFor(plan_.spec().context_tokens);
  const std::int64_t pages = setup.cache_pages > 0 ? setup.cache_pages : contexts;
  decoder_ = std::make_unique<Decoder>(
      plan_, std::move(weights), backend_, sums_,
      DecoderOptions{.cache_pages = pages,
                     .cache_dtype = setup.cache.value_or(TableDType(setup.dtype)),
                     .stage = grid_.place().pipeline,
                     .sums = setup.sums,
                     .rows_beside_sums = 64});  // the cases are short
}

std::vector<float> GoldenModel::Logits(const std::vector<std::int32_t>& tokens,
                                       const std::vector<std::int64_t>& rows, std::int64_t chunk) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  std::vector<std::int32_t> pages;
  for (std::int64_t page = 0; page < KvCache::PagesFor(count); ++page)
    pages.push_back(static_cast<std::int32_t>(page));
  std::vector<float> all;
  for (std::int64_t start = 0; start < count; start += chunk) {
    const std::int64_t size = std::min(chunk, count - start);
    Batch batch{.ids = {tokens.begin() + start, tokens.begin() + start + size},
                .sequences = {{.token_count = size, .start = start, .page_table = pages}},
                .logit_rows = {}};
    for (const std::int64_t row : rows)
      if (row >= start && row < start + size) batch.logit_rows.push_back(row - start);
    const std::int64_t before = sums_.all_reduce_count();
    AppendLogits(decoder_->Forward(batch), all);
    EXPECT_EQ(sums_.all_reduce_count() - before, plan_.all_reduces_per_pass());
  }
  return all;
}

void GoldenModel::AppendLogits(const TensorView& local, std::vector<float>& all) {
  const Tensor host = Tensor::OnHost(local.dtype(), local.shape());
  backend_.device->Download(local, host.view());
  const auto* bytes = static_cast<const std::byte*>(host.view().raw());
  const auto slices = communicator_.Gather(std::span(bytes, local.bytes()));
  for (std::int64_t row = 0; row < local.dim(0) && communicator_.rank() == 0; ++row)
    for (int rank = 0; rank < communicator_.size(); ++rank) {
      const std::int64_t width = plan_.Slices(rank).vocab_rows.size();
      const auto* slice =
          reinterpret_cast<const float*>(slices[static_cast<std::size_t>(rank)].data());
      all.insert(all.end(), slice + row * width, slice + (row + 1) * width);
    }
}

void ExpectGolden(const GoldenCase& golden, Communicator& communicator, const GoldenSetup& setup) {
  SCOPED_TRACE(golden.folder.filename().string());
  GoldenModel model(golden.folder, communicator, setup);
  CaseError error;
  for (std::size_t k = 0; k < golden.prompts.size(); ++k) {
    SCOPED_TRACE("prompt " + std::to_string(k));
    const GoldenPrompt& prompt = golden.prompts[k];
    const std::vector<float> logits = model.Logits(prompt.tokens, prompt.rows, setup.chunk);
    if (communicator.rank() != 0) continue;
    const Difference difference = Compare(logits, prompt.logits);
    error.Add(difference, prompt);
    if (setup.dtype == WeightFormat::kF32) {
      EXPECT_LE(difference.max, kFp32Tolerance * prompt.max_abs_logit);
    }
  }
  if (setup.dtype == WeightFormat::kF32) return ExpectEngineAgrees(golden, model, communicator);
  if (communicator.rank() != 0) return;
  // Of transformers in bf16. fp16 has three bits more: an eighth of the error, twice that at most.
  // fp8 has four fewer, sixteen times the error, but only in keys and values.
  double part = setup.dtype == WeightFormat::kF16 ? 0.25 : 1.0;
  if (setup.cache == DType::kF8) part = 6.0;
  EXPECT_LE(error.own.max, part * error.transformers.max);
  EXPECT_LE(error.own.mean, part * error.transformers.mean);
}

}  // namespace lockstep
