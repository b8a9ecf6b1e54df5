#include "launcher/flags/flag_words.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <utility>

#include "runtime/options/synonyms.h"

namespace lockstep {
namespace {

// Of llama.cpp.
constexpr std::pair<std::string_view, std::string_view> kLetters[] = {
    {"-m", "--model"}, {"-p", "--prompt"},  {"-n", "--max-new-tokens"},
    {"-s", "--seed"},  {"-t", "--threads"},
};

std::string AsFlag(std::string_view name) {
  std::string flag = "--" + std::string(name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::vector<std::string> NamesOfFlags(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back(AsInFiles(name));
  return names;
}

// The flag of this command that `flag` means; itself where nothing is known of it.
std::string OwnFlag(const CLI::App& command, const std::string& flag) {
  if (command.get_option_no_throw(flag) != nullptr) return flag;
  for (const auto& [letter, own] : kLetters)
    if (flag == letter && command.get_option_no_throw(std::string(own)) != nullptr)
      return std::string(own);
  const std::vector<std::string> known = NamesOfFlags(command);
  const std::string name = AsInFiles(flag);
  const std::string same(SameAs(name, known));
  if (!same.empty()) return AsFlag(same);
  // Spelled in another way: "-tp", "--top_k". A single letter is no spelling.
  const bool spelled =
      name.size() > 1 && std::find(known.begin(), known.end(), name) != known.end();
  return spelled ? AsFlag(name) : flag;
}

// The command that the words name, or null. "bench serve" is one below another.
const CLI::App* CommandOf(const CLI::App& app, std::span<const std::string> words) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (words.empty() || words.front() != command->get_name()) continue;
    const CLI::App* below = CommandOf(*command, words.subspan(1));
    return below == nullptr ? command : below;
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> OwnWords(const CLI::App& app, std::span<const std::string> words) {
  std::vector<std::string> own(words.begin(), words.end());
  if (!own.empty() && own.front() == "help") {
    own.erase(own.begin());
    own.emplace_back("--help");
  }
  const CLI::App* command = CommandOf(app, own);
  if (command == nullptr) return own;
  for (std::size_t i = 1; i < own.size(); ++i) {
    std::string& word = own[i];
    if (word.size() < 2 || word.front() != '-') continue;
    const auto equals = std::min(word.find('='), word.size());
    word = OwnFlag(*command, word.substr(0, equals)) + word.substr(equals);
    const CLI::Option* option = command->get_option_no_throw(word);
    // The next word is its value.
    if (option != nullptr && option->get_items_expected_max() > 0) ++i;
  }
  return own;
}

bool NamesConfig(const std::string& model) {
  std::error_code ignored;
  return (model.ends_with(".yaml") || model.ends_with(".yml")) &&
         !std::filesystem::is_directory(model, ignored);
}

bool IsStandard(const std::string& path, std::string_view name, int descriptor) {
  return path == fmt::format("/dev/{}", name) || path == fmt::format("/dev/fd/{}", descriptor) ||
         path == fmt::format("/proc/self/fd/{}", descriptor);
}

}  // namespace lockstep
