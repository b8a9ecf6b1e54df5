#include "launcher/flags/flag_words.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/files/shipped_files.h"
#include "launcher/flags/flags.h"
#include "runtime/options/words/synonyms.h"

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

// Calls see(word) for each of the words that is a flag; what is a flag's value is passed over. The
// word may be changed. Throws BadInput where the last flag has no value.
template <typename See>
void ForEachFlag(const CLI::App& command, std::vector<std::string>& words, const See& see) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i].size() < 2 || words[i].front() != '-') continue;
    see(words[i]);
    const CLI::Option* option = command.get_option_no_throw(words[i]);
    // The next word is its value.
    if (option == nullptr || option->get_items_expected_max() == 0) continue;
    if (++i == words.size())
      throw BadInput("{}: {} has no value; expected {} {}", FullName(command), words[i - 1],
                     words[i - 1], option->get_type_name());
  }
}

// The words of a command behind "manual" are commands themselves to CLI11: one word is not.
void JoinManual(std::vector<std::string>& words) {
  constexpr std::string_view kProgram = "lockstep";
  std::string page;
  std::vector<std::string> others;
  for (const std::string& word : std::span(words).subspan(1)) {
    if (word.starts_with('-'))
      others.push_back(word);
    else
      page += (page.empty() ? "" : "-") + word;
  }
  if (page.empty()) return;
  if (page != kProgram && !page.starts_with("lockstep-")) page = "lockstep-" + page;
  words = {words.front(), page};
  std::ranges::copy(others, std::back_inserter(words));
}

}  // namespace

const CLI::App* CommandOf(const CLI::App& app, std::span<const std::string> words) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (words.empty() || words.front() != command->get_name()) continue;
    const CLI::App* below = CommandOf(*command, words.subspan(1));
    return below == nullptr ? command : below;
  }
  return nullptr;
}

std::string LetterOf(std::string_view flag) {
  for (const auto& [letter, own] : kLetters)
    if (flag == own) return std::string(letter);
  return "";
}

std::optional<std::string> SoughtHelp(const CLI::App& app, std::span<const std::string> words) {
  constexpr std::string_view kHelp = "--help=";
  std::optional<std::string> sought;
  if (!words.empty() && words.front().starts_with(kHelp)) return words.front().substr(kHelp.size());
  const CLI::App* command = CommandOf(app, words);
  if (command == nullptr) return sought;
  std::vector<std::string> all(words.begin(), words.end());
  ForEachFlag(*command, all, [&](const std::string& word) {
    if (word.starts_with(kHelp)) sought = word.substr(kHelp.size());
  });
  return sought;
}

std::vector<std::string> OwnWords(const CLI::App& app, std::span<const std::string> words) {
  std::vector<std::string> own(words.begin(), words.end());
  if (!own.empty() && own.front() == "help") {
    own.erase(own.begin());
    own.emplace_back("--help");
  }
  const CLI::App* command = CommandOf(app, own);
  if (command == nullptr) return own;
  if (command->get_name() == "manual") JoinManual(own);
  ForEachFlag(*command, own, [&](std::string& word) {
    const auto equals = std::min(word.find('='), word.size());
    word = OwnFlag(*command, word.substr(0, equals)) + word.substr(equals);
  });
  return own;
}

bool NamesConfig(const std::string& model) {
  std::error_code ignored;
  return (model.ends_with(".yaml") || model.ends_with(".yml")) &&
         !std::filesystem::is_directory(model, ignored);
}

bool NamesShippedConfig(const std::string& model) {
  std::error_code ignored;
  return !model.empty() && model.find('/') == model.npos &&
         !std::filesystem::exists(model, ignored) &&
         !FindShipped(std::filesystem::path("models") / model) &&
         FindShipped(std::filesystem::path("configs") / (model + ".yaml"));
}

bool IsStandard(const std::string& path, std::string_view name, int descriptor) {
  return path == fmt::format("/dev/{}", name) || path == fmt::format("/dev/fd/{}", descriptor) ||
         path == fmt::format("/proc/self/fd/{}", descriptor);
}

}  // namespace lockstep
