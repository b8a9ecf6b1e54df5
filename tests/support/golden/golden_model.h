#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/groups/process_grid.h"
#include "engine/engine_ranks.h"
#include "layers/decoder.h"
#include "layers/kernels/device_module.h"
#include "partition/checkpoint/checkpoint.h"
#include "tests/support/test_data.h"

namespace lockstep {

// One prompt of a golden case and what transformers computes for it (tests/golden/README.md).
struct GoldenPrompt {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> greedy;
  std::vector<std::int64_t> rows;  // positions whose logits are kept
  double max_abs_logit = 0.0;
  double bf16_max_error = 0.0;  // transformers' own bf16 against its fp32
  double bf16_mean_error = 0.0;
  std::vector<float> logits;         // [rows, vocab rows]
  std::vector<float> logprobs;       // [tokens - 1]
  std::vector<std::int32_t> argmax;  // [tokens]
};

struct GoldenCase {
  std::filesystem::path folder;
  std::int64_t vocab_used = 0;
  std::vector<GoldenPrompt> prompts;
};

GoldenCase LoadGoldenCase(const std::filesystem::path& folder);

struct GoldenSetup {
  BackendKind backend = BackendKind::kCpu;
  WeightFormat dtype = WeightFormat::kF32;
  std::optional<DType> cache = {};  // of keys and values; unset: TableDType(dtype)
  DeviceModule* module = nullptr;   // computes instead of `backend`, on its first device
  BackendSettings settings = {};    // of the module
  int threads = 1;
  std::int64_t chunk = 1 << 20;  // tokens of a prompt that are fed at once
  std::int64_t cache_pages = 0;  // 0: room for three whole contexts
  int stages = 1;                // of a pipeline that the communicator's ranks are cut into
  DecoderOptions::Sums sums = DecoderOptions::Sums::kAwaited;
};

// A golden case's model on this rank of a world.
class GoldenModel {
 public:
  // Throws as ShardPlan does when the model has fewer heads than the world has ranks.
  GoldenModel(const std::filesystem::path& case_folder, Communicator& communicator,
              const GoldenSetup& setup);

  const ShardPlan& plan() const { return plan_; }
  Decoder& decoder() { return *decoder_; }
  Device& device() { return *backend_.device; }
  // For an engine.
  EngineRanks ranks() { return {grid_.copy(), grid_.tensor()}; }
  // Of the sums over the ranks.
  std::int64_t all_reduce_count() const { return sums_.all_reduce_count(); }

  // The logits [rows, vocab rows] of these positions of a text, on rank 0 (empty elsewhere), where
  // there is one stage.
  // The text is fed in chunks of `chunk` tokens. Collective.
  std::vector<float> Logits(const std::vector<std::int32_t>& tokens,
                            const std::vector<std::int64_t>& rows, std::int64_t chunk);

 private:
  void AppendLogits(const TensorView& local, std::vector<float>& all);

  TemporaryFolder scratch_;
  Communicator& communicator_;
  const ProcessGrid grid_;
  ShardPlan plan_;
  Backend backend_;
  std::unique_ptr<Reducer> device_sums_;  // of a module
  Reducer& sums_;                         // what the decoder adds with
  std::unique_ptr<Decoder> decoder_;
};

// Compares the model with the case in every respect, on all ranks of the communicator: logits of
// every prompt (in bf16: at most transformers' own error), greedy continuations and scores through
// the engine, and the number of all-reduces. Reports through GoogleTest on rank 0.
void ExpectGolden(const GoldenCase& golden, Communicator& communicator, const GoldenSetup& setup);

}  // namespace lockstep
