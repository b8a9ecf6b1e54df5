#include "hub_cache.h"

#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "core/files/file.h"
#include "core/fnv.h"
#include "core/json.h"
#include "core/numbers/dtype.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/seeded_weights.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

constexpr const char* kVariable = "LOCKSTEP_TEST_HUB";

std::string Hex(std::string_view bytes, std::size_t digits) {
  Fnv1a hash;
  std::string text;
  while (text.size() < digits) {
    hash.Add(bytes);
    text += fmt::format("{:016x}", hash.value());
  }
  return text.substr(0, digits);
}

// "gpt_neox.layers.3.mlp…" -> 3; -1 where there is none.
std::int64_t LayerOf(const std::string& tensor) {
  const std::string before = "gpt_neox.layers.";
  return tensor.starts_with(before) ? std::stoll(tensor.substr(before.size())) : -1;
}

// How large weights are at the start of training; norms begin at 1, what is added at 0.
std::vector<float> Noise(const std::string& name, std::uint64_t seed, std::size_t count) {
  const bool is_norm =
      name.find("layernorm.weight") != name.npos || name.find("layer_norm.weight") != name.npos;
  const bool is_bias = name.ends_with(".bias");
  return SeededValues({.name = name,
                       .seed = seed,
                       .scale = is_norm || is_bias ? 0.0 : 0.0625,
                       .offset = is_norm ? 1.0 : 0.0},
                      count);
}

std::string Mixed(std::string_view trained, const std::vector<float>& noise, double share) {
  std::string mixed(trained.size(), '\0');
  for (std::size_t i = 0; i < noise.size(); ++i) {
    Float16 value;
    std::memcpy(&value.bits, trained.data() + 2 * i, 2);
    const double between =
        share * static_cast<double>(static_cast<float>(value)) + (1.0 - share) * noise[i];
    const Float16 rounded(static_cast<float>(between));
    std::memcpy(mixed.data() + 2 * i, &rounded.bits, 2);
  }
  return mixed;
}

void WriteWeights(const MadeUpModel& model, const std::filesystem::path& from,
                  const std::filesystem::path& to) {
  const std::string bytes = ReadFile(from);
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof(size));
  const std::string_view data = std::string_view(bytes).substr(sizeof(size) + size);
  std::vector<CheckpointTensor> tensors;
  const Json header = ParseJson(std::string_view(bytes).substr(sizeof(size), size), "header");
  for (const auto& [name, tensor] : header.items()) {
    if (name == "__metadata__" || LayerOf(name) >= model.layers) continue;
    const std::uint64_t begin = tensor["data_offsets"][0], end = tensor["data_offsets"][1];
    const std::vector<float> noise = Noise(name, model.seed, (end - begin) / 2);
    tensors.push_back(BytesTensor(name, "F16", tensor["shape"].get<std::vector<std::int64_t>>(),
                                  Mixed(data.substr(begin, end - begin), noise, model.trained)));
  }
  WriteSafetensors(to, tensors);
}

}  // namespace

HubCache::HubCache(std::filesystem::path folder) : folder_(std::move(folder)) {
  ::setenv(kVariable, folder_.c_str(), 1);
}

HubCache::~HubCache() { ::unsetenv(kVariable); }

std::filesystem::path HubCache::FolderOf(const std::string& model) const {
  std::string name = "models--" + model;
  name.replace(name.find('/'), 1, "--");
  return folder_ / name;
}

std::string HubCache::Add(const std::string& model, const std::string& revision,
                          const std::filesystem::path& folder) const {
  const std::filesystem::path cached = FolderOf(model);
  const std::string commit = Hex(model + revision, 40);
  const std::filesystem::path snapshot = cached / "snapshots" / commit;
  for (const auto& made : {cached / "blobs", cached / "refs", snapshot})
    std::filesystem::create_directories(made);
  for (const std::string& name : NamesIn(folder)) {
    const std::string blob = Hex(ReadFile(folder / name), 64);
    std::filesystem::copy_file(folder / name, cached / "blobs" / blob,
                               std::filesystem::copy_options::skip_existing);
    std::filesystem::remove(snapshot / name);
    std::filesystem::create_symlink("../../blobs/" + blob, snapshot / name);
  }
  WriteText(cached / "refs" / revision, commit);
  return commit;
}

std::filesystem::path HubCache::Blob(const std::string& model, const std::string& revision,
                                     const std::string& file) const {
  const std::filesystem::path cached = FolderOf(model);
  return std::filesystem::canonical(cached / "snapshots" / ReadFile(cached / "refs" / revision) /
                                    file);
}

void WriteModel(const MadeUpModel& model, const std::filesystem::path& folder) {
  const std::filesystem::path trained = SourceFolder() / "models/shakespeare-neox";
  std::filesystem::create_directories(folder);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"})
    std::filesystem::copy_file(trained / name, folder / name,
                               std::filesystem::copy_options::overwrite_existing);
  Json config = ParseJson(ReadFile(trained / "config.json"), "config.json");
  config["num_hidden_layers"] = model.layers;
  WriteText(folder / "config.json", config.dump(2));
  WriteWeights(model, trained / "model.safetensors", folder / "model.safetensors");
}

}  // namespace lockstep
