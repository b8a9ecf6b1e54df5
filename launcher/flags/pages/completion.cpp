#include "launcher/flags/pages/completion.h"

#include "core/error.h"
#include "launcher/flags/help_texts.h"
#include "runtime/options/option_table.h"
#include "runtime/options/option_types.h"

namespace lockstep {

std::string CompletionScript(std::string_view shell, std::span<const CommandPage> pages) {
  if (shell == "bash") return BashCompletion(pages);
  if (shell == "zsh") return ZshCompletion(pages);
  if (shell == "fish") return FishCompletion(pages);
  throw BadInput("completion: the shell is {}; expected bash, zsh or fish", QuotedText(shell));
}

Completed CompletedValue(const FlagEntry& entry) {
  Completed completed{entry.choices(), entry.takes_path()};
  if (entry.value != kSettingValue) return completed;
  completed.continues = true;
  for (const OptionKey& key : OptionTable()) completed.words.push_back(key.path + "=");
  return completed;
}

std::vector<std::string> SpellingsOf(const FlagEntry& entry) {
  if (entry.letter.empty()) return {entry.name};
  return {entry.letter, entry.name};
}

}  // namespace lockstep
