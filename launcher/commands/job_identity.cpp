#include "launcher/commands/job_identity.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "launcher/config/option_table.h"

namespace lockstep {
namespace {

// Small files are hashed whole; of weights the first part, where another training step of the same
// model differs already.
constexpr std::streamsize kHashedBytes = 4 << 20;

std::string Fingerprint(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<char> bytes(static_cast<std::size_t>(kHashedBytes));
  stream.read(bytes.data(), kHashedBytes);
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (std::streamsize i = 0; i < stream.gcount(); ++i)
    hash = (hash ^ static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)])) * 0x100000001B3u;
  std::error_code ignored;
  return fmt::format("{} bytes, {:016x}", std::filesystem::file_size(file, ignored), hash);
}

bool IsOfTheModel(const std::filesystem::path& file) {
  const auto kind = file.extension();
  return kind == ".json" || kind == ".safetensors" || kind == ".bin" || kind == ".txt";
}

void AddFiles(const std::filesystem::path& place, std::string_view name, JobIdentity& identity) {
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  if (std::filesystem::is_regular_file(place, ignored)) files.push_back(place);
  for (const auto& entry : std::filesystem::directory_iterator(place, ignored))
    if (entry.is_regular_file(ignored) && IsOfTheModel(entry.path())) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files)
    identity.emplace_back(fmt::format("{} file {}", name, file.filename().string()),
                          Fingerprint(file));
}

bool ChangesTheText(std::string_view key) {
  return key.starts_with("sampling.") || key.starts_with("input.") ||
         key == "model.generation_config" || key == "model.dtype" || key == "model.cache_dtype" ||
         key == "engine.backend";
}

}  // namespace

JobIdentity IdentityOf(const InputSummary& input, const ModelFiles& model, const Options& options) {
  JobIdentity identity;
  identity.emplace_back(
      "input", fmt::format("{} lines, {} bytes, {:016x}", input.lines, input.bytes, input.hash));
  for (const OptionKey& key : OptionTable())
    if (ChangesTheText(key.path)) identity.emplace_back(key.path, key.value(options));
  AddFiles(model.folder, "model", identity);
  if (model.random_seed)
    identity.emplace_back("model of random weights", std::to_string(*model.random_seed));
  // Beside the keys it sets tokens that end a text or are banned.
  AddFiles(model.generation.where, "generation config", identity);
  if (!options.model.tokenizer.empty()) AddFiles(options.model.tokenizer, "tokenizer", identity);
  return identity;
}

}  // namespace lockstep
