#include <fmt/format.h>
#include <fmt/ranges.h>

#include "launcher/flags/pages/completion.h"

namespace lockstep {
namespace {

// For a text in single quotes that stands in a specification of _arguments.
std::string ZshText(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\'') {
      escaped += "'\\''";
      continue;
    }
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// What _arguments does for a value: ":message:action".
std::string ZshValue(const CompletionPlace& place, const FlagEntry& entry) {
  const Completed completed = CompletedValue(place, entry);
  const std::string words = fmt::format("{}", fmt::join(completed.words, " "));
  std::string action = " ";  // nothing is known of it
  if (completed.continues)
    action = fmt::format("{{compadd -S \"\" -- {}}}", words);
  else if (completed.is_path && !completed.words.empty())
    action = fmt::format("{{_alternative \"words:word:({})\" \"files:file:_files\"}}", words);
  else if (completed.is_path)
    action = "_files";
  else if (!completed.words.empty())
    action = fmt::format("({})", words);
  return fmt::format(":{}:{}", ZshText(entry.is_argument ? entry.name : entry.value), action);
}

std::string ZshFlags(const CompletionPlace& place) {
  std::string text;
  for (const FlagGroup& group : place.page.groups)
    for (const FlagEntry& entry : group.entries) {
      if (entry.is_argument) continue;
      for (const std::string& name : SpellingsOf(entry)) {
        // "--flag=value" or "--flag value"; of a letter only the latter.
        const char* equals = entry.value.empty() || !name.starts_with("--") ? "" : "=";
        text += fmt::format(" \\\n        '*{}{}[{}]{}'", name, equals, ZshText(entry.help),
                            entry.value.empty() ? "" : ZshValue(place, entry));
      }
    }
  return text;
}

std::string ZshCase(const CompletionPlace& place) {
  const CommandPage& page = place.page;
  std::string text = fmt::format("    \"{}\")\n      _arguments -S", page.name) + ZshFlags(place);
  std::string words;
  for (const CommandPage::Below& below : page.commands)
    words += fmt::format(" {}\\:\"{}\"", below.name, ZshText(below.summary));
  if (!words.empty()) text += fmt::format(" \\\n        ':command:(({}))'", words);
  for (const FlagGroup& group : page.groups)
    for (const FlagEntry& entry : group.entries)
      if (entry.is_argument || entry.may_lead)
        text += fmt::format(" \\\n        '{}'", ZshValue(place, entry));
  return text + " ;;\n";
}

}  // namespace

std::string ZshCompletion(std::span<const CommandPage> pages) {
  std::string text = R"(#compdef lockstep
# Completion of lockstep for zsh, made by `lockstep completion zsh`.
_lockstep() {
  local command=
  if (( CURRENT > 2 )); then
    command=$words[2]
    shift words
    (( CURRENT-- ))
  fi
  case "$command $words[2]" in
)";
  for (const CommandPage& page : pages)
    if (page.is_nested())
      text += fmt::format(
          "    \"{0}\") if (( CURRENT > 2 )); then command=\"{0}\"; shift words; (( CURRENT-- )); "
          "fi ;;\n",
          page.name);
  text += "  esac\n  case $command in\n";
  for (const CommandPage& page : pages) text += ZshCase({page, pages});
  text += R"(  esac
}
if [ "$funcstack[1]" = _lockstep ]; then
  _lockstep "$@"
else
  compdef _lockstep lockstep
fi
)";
  return text;
}

}  // namespace lockstep
