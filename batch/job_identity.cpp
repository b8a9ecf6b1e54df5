#include "batch/job_identity.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/files/file.h"
#include "core/fnv.h"
#include "core/version.h"
#include "runtime/load_model.h"
#include "runtime/model_files.h"
#include "runtime/options/option_table.h"

namespace lockstep {
namespace {

// Small files are hashed whole; of weights the beginning, and a little at many places: two models
// may differ in some of their matrices alone.
constexpr std::streamsize kHashedBytes = 4 << 20;
constexpr std::streamsize kPlaceBytes = 4 << 10;
constexpr std::uintmax_t kPlaces = 1024;

void AddPart(std::ifstream& stream, std::streamsize count, std::string& bytes, Fnv1a& hash) {
  stream.read(bytes.data(), count);
  hash.Add(std::string_view(bytes).substr(0, static_cast<std::size_t>(stream.gcount())));
  if (stream.eof()) stream.clear();
}

std::string Fingerprint(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::error_code code;
  const auto size = std::filesystem::file_size(file, code);
  std::string bytes(static_cast<std::size_t>(kHashedBytes), '\0');
  Fnv1a hash;
  AddPart(stream, kHashedBytes, bytes, hash);
  const std::uintmax_t step = std::max<std::uintmax_t>(code ? 0 : size / kPlaces, kPlaceBytes);
  for (std::uintmax_t place = kHashedBytes; !code && stream && place < size; place += step) {
    stream.seekg(static_cast<std::streamoff>(place));
    AddPart(stream, kPlaceBytes, bytes, hash);
  }
  if (!stream.is_open() || stream.bad() || code)
    throw EnvironmentError("{}: cannot be read: {}", file.string(),
                           std::generic_category().message(errno));
  return fmt::format("{} bytes, {:016x}", size, hash.value());
}

bool IsOfTheModel(const std::filesystem::path& file) {
  const auto kind = file.extension();
  return kind == ".json" || kind == ".safetensors" || kind == ".bin" || kind == ".txt" ||
         kind == ".jinja";
}

void AddFiles(const std::filesystem::path& place, std::string_view name, JobIdentity& identity) {
  const auto add = [&](const std::filesystem::path& file) {
    identity.emplace_back(fmt::format("{} file {}", name, file.filename().string()),
                          Fingerprint(file));
  };
  if (IsRegularFile(place)) add(place);
  if (!IsFolder(place)) return;
  for (const std::string& file : NamesIn(place))
    if (IsOfTheModel(file) && IsRegularFile(place / file)) add(place / file);
}

std::string_view NameOf(Command command) {
  switch (command) {
    case Command::kScore: return "score";
    case Command::kEmbed: return "embed";
    default: return "generate";
  }
}

bool ChangesResults(std::string_view key, Command command) {
  if (key.starts_with("sampling.") || key == "model.generation_config" ||
      key == "server.model_name" || key == "server.chat_template")
    return command == Command::kGenerate;
  if (key.starts_with("embed.")) return command != Command::kScore;
  return key.starts_with("input.") || key == "engine.backend";
}

// Sums over 1, 2, 4 and 8 ranks are made in one order, on devices where they are told to
// (docs/dev/numerics.md).
std::string SumsOf(const JobParts& parts, bool device) {
  const int ranks = parts.group_size;
  const bool told = parts.options.parallel.batch_invariant == BatchInvariance::kOn;
  const std::string order = device && told ? ", batch-invariant" : "";
  if ((!device || told) && (ranks == 1 || ranks == 2 || ranks == 4 || ranks == 8))
    return "as on 1 rank" + order;
  return fmt::format("as on {} ranks{}", ranks, order);
}

// What the last bits of numbers come from.
void AddPlace(const JobParts& parts, JobIdentity& identity) {
  const std::string device = DeviceHere(DeviceRequestOf(parts.options, parts.model.format, 1));
  identity.emplace_back("device", device);
  identity.emplace_back("sums over ranks", SumsOf(parts, !device.starts_with("cpu")));
}

std::string Shown(const std::string& value) {
  return value.size() > 80 ? value.substr(0, 77) + "..." : value;
}

std::string Text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : DumpJson(value);
}

}  // namespace

JobIdentity IdentityOf(const JobParts& parts) {
  const auto& [command, options, input, model, group_size] = parts;
  JobIdentity identity;
  identity.emplace_back("program", fmt::format("lockstep {}", Version()));
  identity.emplace_back("command", NameOf(command));
  identity.emplace_back(
      "input", fmt::format("{} lines, {} bytes, {:016x}", input.lines, input.bytes, input.hash));
  for (const OptionKey& key : OptionTable())
    if (ChangesResults(key.path, command)) identity.emplace_back(key.path, key.value(options));
  identity.emplace_back("model.dtype", Name(model.format));
  identity.emplace_back("model.cache_dtype", Name(options.model.kv_dtype(model.format)));
  AddPlace(parts, identity);
  AddFiles(model.folder, "model", identity);
  AddFiles(model.folder / "additional_chat_templates", "chat template", identity);
  if (model.random_seed)
    identity.emplace_back("model of random weights", std::to_string(*model.random_seed));
  // Beside the keys it sets tokens that end a text or are banned.
  AddFiles(model.generation.where, "generation config", identity);
  if (!options.model.tokenizer.empty())
    AddFiles(TokenizerPlace(options.model.tokenizer), "tokenizer", identity);
  if (command == Command::kGenerate && !options.server.chat_template.empty())
    AddFiles(options.server.chat_template, "chat template", identity);
  return identity;
}

nlohmann::ordered_json ToJson(const JobIdentity& identity) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, value] : identity) object[name] = value;
  return object;
}

std::optional<std::string> Difference(const JobIdentity& identity, const Json& before) {
  const auto differs = [](const std::string& name, const std::string& was, const std::string& is) {
    return fmt::format("another {}: it was {} and is {} now", name, Shown(was), Shown(is));
  };
  if (!before.is_object()) return "another job";
  // As it is kept: names of files need not be UTF-8.
  const Json now = Json::parse(
      ToJson(identity).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  for (const auto& [name, value] : identity) {
    const auto is = now.find(name);
    const auto was = before.find(name);
    const std::string then = was == before.end() ? "absent" : Text(*was);
    if (is != now.end() && then != Text(*is)) return differs(name, then, Text(*is));
  }
  for (const auto& [name, value] : before.items())
    if (!now.contains(name)) return differs(name, Text(value), "absent");
  return std::nullopt;
}

}  // namespace lockstep
