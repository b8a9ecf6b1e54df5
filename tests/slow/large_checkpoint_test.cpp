// A checkpoint with the shape of Pythia 1.4B: each of two ranks reads about half of it and needs
// no more memory than its slice and a tenth.
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>

#include "core/files/file.h"
#include "partition/model/config_json.h"
#include "partition/plan/shard_plan.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

constexpr const char* kConfig = R"({"model_type": "gpt_neox", "hidden_size": 2048,
  "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 8192,
  "vocab_size": 50304, "max_position_embeddings": 2048, "hidden_act": "gelu",
  "rotary_pct": 0.25, "rotary_emb_base": 10000, "use_parallel_residual": true,
  "layer_norm_eps": 1e-05, "bos_token_id": 0, "eos_token_id": 0,
  "tie_word_embeddings": false})";

void Append(std::vector<CheckpointTensor>& tensors, const TensorSlice& slice) {
  std::vector<std::int64_t> shape;
  for (int axis = 0; axis < slice.shape.rank(); ++axis) shape.push_back(slice.shape[axis]);
  tensors.push_back(PatternTensor(slice.name, DType::kF16, shape, tensors.size()));
}

std::vector<CheckpointTensor> AllTensors(const ModelSpec& spec) {
  std::vector<CheckpointTensor> tensors;
  const RankSlices all = ShardPlan(spec, 1).Slices(0);
  const auto norm = [&](const NormSlices& slices) {
    Append(tensors, slices.weight);
    Append(tensors, slices.bias);
  };
  const auto linear = [&](const LinearSlices& slices) {
    for (const TensorSlice& part : slices.weight) Append(tensors, part);
    for (const TensorSlice& part : slices.bias) Append(tensors, part);
  };
  Append(tensors, all.embedding);
  for (const LayerSlices& layer : all.layers) {
    norm(layer.attention_norm);
    norm(*layer.mlp_norm);
    for (const LinearSlices* slices :
         {&layer.qkv, &layer.attention_out, &layer.mlp_in, &layer.mlp_out})
      linear(*slices);
  }
  norm(all.final_norm);
  linear(all.head);
  return tensors;
}

struct Memory {
  double read_mb;
  double weights_mb;
  double peak_mb;
};

// The line that each rank prints with --verbose.
std::vector<Memory> ParseReports(const std::string& log) {
  static const std::regex pattern(
      R"(read ([0-9.]+) MB of the checkpoint for ([0-9.]+) MB of weights; peak memory ([0-9.]+) MB)");
  std::vector<Memory> reports;
  for (std::sregex_iterator at(log.begin(), log.end(), pattern), end; at != end; ++at)
    reports.push_back({std::stod((*at)[1]), std::stod((*at)[2]), std::stod((*at)[3])});
  return reports;
}

TEST(LargeCheckpoint, IsReadByHalvesWithinATenthMoreMemory) {
  const TemporaryFolder folder;
  WriteText(folder / "config.json", kConfig);
  const ModelSpec spec = LoadModelSpec(folder.path());
  WriteSafetensors(folder / "model.safetensors", AllTensors(spec));
  const double file_mb =
      1e-6 * static_cast<double>(std::filesystem::file_size(folder / "model.safetensors"));
  WriteText(folder / "in.jsonl", "{\"tokens\": [1, 2, 3]}\n");

  const std::string command = fmt::format(
      "{} generate --model {} --tokenizer {} --tp 2 --dtype bf16 --max-new-tokens 1 --verbose "
      "--input {} --output {} 2> {}",
      BuiltProgram(), folder.path().string(), (SourceFolder() / "models/shakespeare-neox").string(),
      (folder / "in.jsonl").string(), (folder / "out.jsonl").string(), (folder / "log").string());
  const int status = std::system(command.c_str());
  const std::string log = ReadFile(folder / "log");
  ASSERT_EQ(status, 0) << log;

  const std::vector<Memory> ranks = ParseReports(log);
  ASSERT_EQ(ranks.size(), 2u) << log;
  for (const Memory& rank : ranks) {
    EXPECT_NEAR(rank.read_mb, file_mb / 2, 0.01 * file_mb);
    EXPECT_NEAR(rank.weights_mb, file_mb / 2, 0.01 * file_mb);
    EXPECT_LE(rank.peak_mb, 1.1 * rank.weights_mb);
    EXPECT_GE(rank.peak_mb, rank.weights_mb);
  }
  RecordProperty("log", log);
  fmt::print("{}", log);
}

}  // namespace
}  // namespace lockstep
