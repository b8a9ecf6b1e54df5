#include "partition/model/model_folder.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files/file.h"
#include "core/files/shipped_files.h"
#include "partition/checkpoint/formats/tensor_file.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kShippedModels = "models";

struct HubName {
  std::string repository;  // "EleutherAI/pythia-70m"
  std::string revision;
};

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

// The parts between slashes. Each of them becomes part of a path below the cache.
std::vector<std::string> Parts(std::string_view text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool IsPlainPart(const std::string& part) {
  return !part.empty() && part != "." && part != ".." && part.find('\0') == std::string::npos;
}

bool IsRepositoryPart(const std::string& part) {
  return IsPlainPart(part) && std::all_of(part.begin(), part.end(), IsNameCharacter);
}

// Splits `org/name[@revision]` (very old models have no org). Empty when it cannot be one.
std::optional<HubName> ParseHubName(std::string_view model) {
  const std::size_t at = model.find('@');
  const std::string_view repository = model.substr(0, at);
  const std::string_view revision =
      at == std::string_view::npos ? std::string_view("main") : model.substr(at + 1);
  const auto names = Parts(repository);
  const auto branch = Parts(revision);
  if (names.size() > 2 || !std::all_of(names.begin(), names.end(), IsRepositoryPart)) return {};
  if (!std::all_of(branch.begin(), branch.end(), IsPlainPart)) return {};
  return HubName{std::string(repository), std::string(revision)};
}

bool IsVariableCharacter(char c) { return IsNameCharacter(c) && c != '-' && c != '.'; }

// $NAME and ${NAME} replaced by their values; unknown ones stay. The files that set these variables
// for services leave it to the reader.
std::string Expanded(std::string_view text) {
  std::string expanded;
  for (std::size_t i = 0; i < text.size();) {
    const bool braces = text.substr(i).starts_with("${");
    const std::size_t begin = i + (braces ? 2 : 1);
    std::size_t end = begin;
    while (text[i] == '$' && end < text.size() && IsVariableCharacter(text[end])) ++end;
    const bool named = end > begin && (!braces || text.substr(end).starts_with('}'));
    const char* value =
        named ? std::getenv(std::string(text.substr(begin, end - begin)).c_str()) : nullptr;
    if (value != nullptr) expanded += value;
    const std::size_t past = value != nullptr ? end + (braces ? 1 : 0) : i + 1;
    if (value == nullptr) expanded += text[i];
    i = past;
  }
  return expanded;
}

std::optional<fs::path> Variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  const char* home = std::getenv("HOME");
  const std::string text = Expanded(value);
  if (text.starts_with("~/") && home != nullptr) return fs::path(home) / text.substr(2);
  return fs::path(text);
}

// The order of the huggingface_hub package: the first variable that is set decides.
fs::path HubCache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const auto cache = Variable(name)) return *cache;
  if (const auto home = Variable("HF_HOME")) return *home / "hub";
  if (const auto cache = Variable("XDG_CACHE_HOME")) return *cache / "huggingface" / "hub";
  const fs::path home = Variable("HOME").value_or("/");
  return home / ".cache" / "huggingface" / "hub";
}

// "models--EleutherAI--pythia-70m"
std::string CacheFolderName(const std::string& repository) {
  std::string name = "models";
  for (const std::string& part : Parts(repository)) name += "--" + part;
  return name;
}

std::string DownloadCommand(const HubName& name) {
  const std::string revision = name.revision == "main" ? "" : " --revision " + name.revision;
  return fmt::format("`hf download {}{}` on a machine with a network", name.repository, revision);
}

// The commit that refs/<revision> holds; a revision without such a file may be a commit itself.
std::string CommitOf(const fs::path& cached, const HubName& name) {
  const fs::path reference = cached / "refs" / name.revision;
  if (!IsRegularFile(reference)) return name.revision;
  std::string commit = ReadFile(reference);
  commit.erase(commit.find_last_not_of(" \r\n") + 1);
  if (!IsRepositoryPart(commit))
    throw BadInput("{}: holds {}; expected a commit; download the model again: {}",
                   reference.string(), Quoted(commit), DownloadCommand(name));
  return commit;
}

// "main, step1000, 9c4e2c…": what a cached model can be asked for, names before commits. A suite
// has hundreds.
std::string CachedRevisions(const fs::path& cached) {
  constexpr std::size_t kShown = 12;
  std::vector<std::string> names, commits;
  std::error_code ignored;
  const fs::path references = cached / "refs";
  for (const auto& entry : fs::recursive_directory_iterator(references, ignored))
    if (entry.is_regular_file(ignored))
      names.push_back(entry.path().lexically_relative(references).string());
  for (const auto& entry : fs::directory_iterator(cached / "snapshots", ignored))
    commits.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::sort(commits.begin(), commits.end());
  names.insert(names.end(), commits.begin(), commits.end());
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i)
    text += (text.empty() ? "" : ", ") + names[i];
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text.empty() ? "none" : text;
}

// The configuration that comes with the program whose name begins most alike; empty where none
// does.
std::string ConfigLike(std::string_view name) {
  constexpr std::ptrdiff_t kLeastAlike = 4;
  std::string nearest;
  std::ptrdiff_t longest = kLeastAlike - 1;
  for (const fs::path file : ShippedNames("configs")) {
    const std::string stem = file.stem().string();
    const auto alike = std::ranges::mismatch(stem, name).in1 - stem.begin();
    if (file.extension() != ".yaml" || alike <= longest) continue;
    longest = alike;
    nearest = stem;
  }
  return nearest;
}

// ", or take one that comes with lockstep: shakespeare-gptj, shakespeare-neox", for a name that
// may have been meant for one.
std::string ShippedAdvice(const std::string& repository) {
  if (repository.find('/') != std::string::npos) return "";
  std::string names;
  for (const std::string& name : ShippedNames(kShippedModels))
    names += (names.empty() ? "" : ", ") + name;
  if (names.empty()) return "";
  const std::string config = ConfigLike(repository);
  return ", or take one that comes with lockstep: " + names +
         (config.empty() ? "" : fmt::format("; the nearest configuration is --config {}", config));
}

bool IsShippedConfig(const std::string& name) {
  return name.find('/') == name.npos && FindShipped(fs::path("configs") / (name + ".yaml"));
}

fs::path FindInCache(const HubName& name) {
  const fs::path cached = HubCache() / CacheFolderName(name.repository);
  if (!IsFolder(cached))
    throw BadInput(
        "model {}: there is neither a folder {} nor the cached model {}; give the "
        "model's folder, or download it with {}{}",
        Quoted(name.repository), Quoted(name.repository), cached.string(), DownloadCommand(name),
        ShippedAdvice(name.repository));
  fs::path snapshot = cached / "snapshots" / CommitOf(cached, name);
  if (!IsFolder(snapshot))
    throw BadInput(
        "model {}: the cache has no revision {} (looked for {} and {}); it has {}; use "
        "one of these, or download it with {}",
        Quoted(name.repository), Quoted(name.revision), (cached / "refs" / name.revision).string(),
        snapshot.string(), CachedRevisions(cached), DownloadCommand(name));
  return snapshot;
}

}  // namespace

fs::path ResolveModel(std::string_view model) {
  fs::path folder(model);
  if (IsFolder(folder)) return folder;
  if (FileExists(folder))
    throw BadInput("model {}: is a file; expected the model's folder or a name org/name[@revision]",
                   Quoted(model));
  const auto name = ParseHubName(model);
  if (!name)
    throw BadInput(
        "model {}: no such folder, and no name org/name[@revision] for the Hugging Face "
        "cache either; check the path",
        Quoted(model));
  // Such a name has no slash: below the folder, it is one of its entries.
  if (model == name->repository && model.find('/') == model.npos)
    if (const auto shipped = FindShipped(fs::path(kShippedModels) / model)) return *shipped;
  if (model == name->repository && IsShippedConfig(name->repository) &&
      !IsFolder(HubCache() / CacheFolderName(name->repository)))
    throw BadInput(
        "model {0}: no such folder; lockstep has a configuration of that name, which "
        "names its checkpoint: give --config {1}",
        Quoted(model), model);
  return FindInCache(*name);
}

}  // namespace lockstep
