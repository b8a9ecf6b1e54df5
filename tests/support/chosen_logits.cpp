#include "tests/support/chosen_logits.h"

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

constexpr std::int64_t kWidth = 20;

std::string Bytes(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

}  // namespace

void WriteModelOfLogits(const std::filesystem::path& folder, std::span<const float> logits) {
  const auto vocabulary = static_cast<std::int64_t>(logits.size());
  std::filesystem::create_directories(folder);
  WriteText(folder / "golden.json", R"({"weights": "files"})");
  WriteText(folder / "config.json",
            fmt::format(R"({{"model_type": "gptj", "n_layer": 1, "n_embd": {}, "n_head": 5,
                             "rotary_dim": 4, "vocab_size": {}, "n_positions": 64}})",
                        kWidth, vocabulary));
  std::vector<CheckpointTensor> tensors;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    tensors.push_back(PatternTensor(name, DType::kF32, std::move(shape), tensors.size()));
  };
  const std::string block = "transformer.h.0.";
  add("transformer.wte.weight", {vocabulary, kWidth});
  for (const std::string& norm : {block + "ln_1", std::string("transformer.ln_f")})
    for (const char* part : {".weight", ".bias"}) add(norm + part, {kWidth});
  for (const char* part : {"q", "k", "v", "out"})
    add(fmt::format("{}attn.{}_proj.weight", block, part), {kWidth, kWidth});
  add(block + "mlp.fc_in.weight", {4 * kWidth, kWidth});
  add(block + "mlp.fc_in.bias", {4 * kWidth});
  add(block + "mlp.fc_out.weight", {kWidth, 4 * kWidth});
  add(block + "mlp.fc_out.bias", {kWidth});
  const std::vector<float> none(static_cast<std::size_t>(vocabulary * kWidth), 0.0f);
  tensors.push_back(BytesTensor("lm_head.weight", "F32", {vocabulary, kWidth}, Bytes(none)));
  tensors.push_back(BytesTensor("lm_head.bias", "F32", {vocabulary}, Bytes(logits)));
  WriteSafetensors(folder / "model.safetensors", tensors);
}

}  // namespace lockstep
