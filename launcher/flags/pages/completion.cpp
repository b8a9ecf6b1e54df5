#include "launcher/flags/pages/completion.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "core/error.h"
#include "core/files/shipped_files.h"
#include "launcher/flags/help_texts.h"
#include "runtime/options/option_table.h"
#include "runtime/options/option_types.h"

namespace lockstep {
namespace {

// The names of the configurations in a folder that comes with the program.
std::vector<std::string> StemsOf(const char* folder) {
  std::vector<std::string> names;
  for (const std::filesystem::path file : ShippedNames(folder))
    if (file.extension() == ".yaml") names.push_back(file.stem().string());
  return names;
}

// Those that read no weights take a configuration's name for a model (FillOptions()).
bool TakesConfigurations(const CommandPage& page) {
  return page.name == "plan" || (page.name.starts_with("bench ") && page.name != "bench serve" &&
                                 page.name != "bench compare");
}

}  // namespace

std::string CompletionScript(std::string_view shell, std::span<const CommandPage> pages) {
  if (shell == "bash") return BashCompletion(pages);
  if (shell == "zsh") return ZshCompletion(pages);
  if (shell == "fish") return FishCompletion(pages);
  if (shell.empty()) throw BadInput("completion: no shell is named; expected bash, zsh or fish");
  throw BadInput("completion: the shell is {}; expected bash, zsh or fish", QuotedText(shell));
}

Completed CompletedValue(const CompletionPlace& place, const FlagEntry& entry) {
  Completed completed{entry.choices(), entry.takes_path()};
  if (entry.key == "model.path" || entry.key == "model.tokenizer")
    completed.words = ShippedNames("models");
  if (entry.key == "model.path" && TakesConfigurations(place.page))
    std::ranges::copy(StemsOf("configs"), std::back_inserter(completed.words));
  if (place.page.name == "manual" && entry.is_argument)
    for (const CommandPage::Below& command : place.pages.front().commands)
      completed.words.push_back(command.name);
  if (entry.name == "--config") completed.words = StemsOf("configs");
  if (entry.name == "--machine")
    std::ranges::copy(StemsOf("configs/machines"), std::back_inserter(completed.words));
  if (entry.value != kSettingValue) return completed;
  completed.continues = true;
  for (const OptionKey& key : OptionTable()) completed.words.push_back(key.path + "=");
  return completed;
}

Completed CompletedArguments(const CompletionPlace& place) {
  Completed all;
  for (const CommandPage::Below& below : place.page.commands) all.words.push_back(below.name);
  for (const FlagGroup& group : place.page.groups)
    for (const FlagEntry& entry : group.entries) {
      if (!entry.is_argument && !entry.may_lead) continue;
      const Completed one = CompletedValue(place, entry);
      std::ranges::copy(one.words, std::back_inserter(all.words));
      all.is_path = all.is_path || one.is_path;
    }
  return all;
}

std::vector<std::string> SpellingsOf(const FlagEntry& entry) {
  if (entry.letter.empty()) return {entry.name};
  return {entry.letter, entry.name};
}

}  // namespace lockstep
