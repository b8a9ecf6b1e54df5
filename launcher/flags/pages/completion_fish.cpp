#include <fmt/format.h>
#include <fmt/ranges.h>

#include "launcher/flags/pages/completion.h"

namespace lockstep {
namespace {

std::string FishQuoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

std::string FishLine(const CommandPage& page, const std::string& rest) {
  return fmt::format("complete -c lockstep -n '__lockstep_is \"{}\"' {}\n", page.name, rest);
}

std::string FishFlag(const CompletionPlace& place, const FlagEntry& entry) {
  std::string rest = "-l " + entry.name.substr(2);
  if (!entry.letter.empty()) rest = fmt::format("-s {} {}", entry.letter.substr(1), rest);
  if (!entry.value.empty()) {
    const Completed completed = CompletedValue(place, entry);
    rest += completed.is_path ? " -r -F" : " -x";
    if (!completed.words.empty())
      rest += " -a " + FishQuoted(fmt::format("{}", fmt::join(completed.words, " ")));
  }
  return FishLine(place.page, rest + " -d " + FishQuoted(entry.help));
}

std::string FishPage(const CompletionPlace& place) {
  const CommandPage& page = place.page;
  std::string text;
  for (const CommandPage::Below& below : page.commands)
    text += FishLine(page, fmt::format("-f -a {} -d {}", below.name, FishQuoted(below.summary)));
  for (const FlagGroup& group : page.groups)
    for (const FlagEntry& entry : group.entries) {
      if (!entry.is_argument) text += FishFlag(place, entry);
      if (!entry.is_argument && !entry.may_lead) continue;
      const Completed argument = CompletedValue(place, entry);
      if (argument.words.empty()) continue;
      text += FishLine(page, (argument.is_path ? "-a " : "-f -a ") +
                                 FishQuoted(fmt::format("{}", fmt::join(argument.words, " "))));
    }
  if (!CompletedArguments(place).is_path) text += FishLine(page, "-f");
  return text;
}

}  // namespace

std::string FishCompletion(std::span<const CommandPage> pages) {
  std::string below;
  for (const CommandPage& page : pages)
    if (page.is_nested()) below += " " + FishQuoted(page.name);
  std::string text = fmt::format(
      R"(# Completion of lockstep for fish, made by `lockstep completion fish`.
function __lockstep_is
    set -l words (commandline -opc)
    set -l command "$words[2]"
    if contains -- "$words[2] $words[3]"{}
        set command "$words[2] $words[3]"
    end
    test "$command" = "$argv[1]"
end
)",
      below);
  // Before a command there is no path.
  text += FishLine(pages.front(), "-f");
  for (const CommandPage& page : pages) text += FishPage({page, pages});
  return text;
}

}  // namespace lockstep
