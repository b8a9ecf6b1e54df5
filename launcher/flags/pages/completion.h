#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/flags/pages/command_page.h"

namespace lockstep {

// What a shell reads to complete command lines of lockstep: commands, flags, the words that a flag
// may have, keys of the configuration behind --set, and paths. pages: all, the program's first.

// shell: "bash", "zsh" or "fish". Throws BadInput for another one.
std::string CompletionScript(std::string_view shell, std::span<const CommandPage> pages);

std::string BashCompletion(std::span<const CommandPage> pages);
std::string ZshCompletion(std::span<const CommandPage> pages);
std::string FishCompletion(std::span<const CommandPage> pages);

// Where a flag or an argument stands: in a command, among all.
struct CompletionPlace {
  const CommandPage& page;
  std::span<const CommandPage> pages;
};

// What may stand behind a flag, or as the argument that `entry` is.
struct Completed {
  std::vector<std::string> words;
  bool is_path = false;
  bool continues = false;  // the words are the beginning of a value: "parallel.tp="
};
Completed CompletedValue(const CompletionPlace& place, const FlagEntry& entry);
// What may stand as the arguments of a command, one of its commands among them.
Completed CompletedArguments(const CompletionPlace& place);

// The names of a flag on a command line: "-m", "--model".
std::vector<std::string> SpellingsOf(const FlagEntry& entry);

}  // namespace lockstep
