#include <fmt/format.h>
#include <fmt/ranges.h>

#include "launcher/flags/pages/completion.h"

namespace lockstep {
namespace {

// "=" is a word of its own to bash.
constexpr const char* kBashBegin =
    R"(# Completion of lockstep for bash, made by `lockstep completion bash`.
_lockstep_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}
_lockstep_paths() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
# Words where some fit, else paths: both at once could not be told apart.
_lockstep_either() {
  _lockstep_words "$1"
  [ "${#COMPREPLY[@]}" -gt 0 ] || _lockstep_paths
}
_lockstep() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local command=${COMP_WORDS[1]}
  COMPREPLY=()
  if [ "$cur" = = ]; then
    cur=
  elif [ "$prev" = = ]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  [ "$COMP_CWORD" -gt 1 ] || command=
)";

std::vector<std::string> FlagsOf(const CommandPage& page) {
  std::vector<std::string> names;
  for (const FlagGroup& group : page.groups)
    for (const FlagEntry& entry : group.entries)
      if (!entry.is_argument)
        for (std::string& name : SpellingsOf(entry)) names.push_back(std::move(name));
  return names;
}

// What stands behind the flag before the cursor, where that has a value.
std::string BashValue(const CompletionPlace& place, const FlagEntry& entry) {
  const Completed completed = CompletedValue(place, entry);
  std::string action;
  if (completed.continues) action = "compopt -o nospace 2>/dev/null; ";
  const char* function = completed.is_path ? "_lockstep_either" : "_lockstep_words";
  if (!completed.words.empty())
    action += fmt::format("{} \"{}\"; ", function, fmt::join(completed.words, " "));
  else if (completed.is_path)
    action += "_lockstep_paths; ";
  return fmt::format("        {}) {}return ;;\n", fmt::join(SpellingsOf(entry), "|"), action);
}

std::string BashCase(const CompletionPlace& place) {
  const CommandPage& page = place.page;
  std::string text = fmt::format("    \"{}\")\n      case $prev in\n", page.name);
  for (const FlagGroup& group : page.groups)
    for (const FlagEntry& entry : group.entries)
      if (!entry.is_argument && !entry.value.empty()) text += BashValue(place, entry);
  text += "      esac\n";
  text += fmt::format("      flags=\"{}\"\n", fmt::join(FlagsOf(page), " "));
  const Completed arguments = CompletedArguments(place);
  if (arguments.is_path) text += "      paths=1\n";
  return text + fmt::format("      words=\"{}\" ;;\n", fmt::join(arguments.words, " "));
}

}  // namespace

std::string BashCompletion(std::span<const CommandPage> pages) {
  std::string text = kBashBegin;
  for (const CommandPage& page : pages)
    if (page.is_nested())
      text += fmt::format(
          "  [ \"$command ${{COMP_WORDS[2]}}\" != \"{0}\" ] || [ \"$COMP_CWORD\" -le 2 ] || "
          "command=\"{0}\"\n",
          page.name);
  text += "  local flags= words= paths=\n  case $command in\n";
  for (const CommandPage& page : pages) text += BashCase({page, pages});
  text += R"(  esac
  case $cur in
    -*) _lockstep_words "$flags" ;;
    *)
      if [ -z "$paths" ]; then _lockstep_words "$words"; else _lockstep_either "$words"; fi ;;
  esac
}
complete -F _lockstep lockstep
)";
  return text;
}

}  // namespace lockstep
