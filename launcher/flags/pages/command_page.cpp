#include "launcher/flags/pages/command_page.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>

#include "launcher/flags/flag_words.h"
#include "launcher/flags/flags.h"
#include "runtime/options/option_table.h"
#include "runtime/options/words/word_list.h"

namespace lockstep {
namespace {

constexpr const char* kOtherFlags = "Help";
constexpr const char* kArguments = "Arguments";

std::vector<std::string> WordsOf(const std::string& value) {
  std::vector<std::string> words;
  for (const std::string_view word : SplitAt(value, '|')) words.emplace_back(word);
  return words;
}

FlagEntry EntryOf(const CLI::Option& option, const OptionFlags* flags) {
  FlagEntry entry{.name = {},
                  .letter = {},
                  .value = {},
                  .help = option.get_description(),
                  .usual = option.get_default_str(),
                  .key = {},
                  .expected = {}};
  entry.is_argument = option.get_lnames().empty();
  entry.may_lead = option.get_positional();
  entry.name = entry.is_argument ? option.get_name(true) : "--" + option.get_lnames().front();
  if (!option.get_snames().empty()) entry.letter = "-" + option.get_snames().front();
  if (entry.letter.empty()) entry.letter = LetterOf(entry.name);
  if (option.get_items_expected_max() > 0) entry.value = option.get_type_name();
  if (flags == nullptr) return entry;
  entry.key = flags->KeyOf(entry.name);
  if (!entry.key.empty()) entry.expected = FindOption(entry.key, entry.name).expected;
  return entry;
}

FlagGroup& GroupNamed(std::vector<FlagGroup>& groups, const std::string& heading) {
  const auto found = std::ranges::find(groups, heading, &FlagGroup::heading);
  if (found != groups.end()) return *found;
  return groups.emplace_back(FlagGroup{heading, {}});
}

}  // namespace

std::vector<std::string> FlagEntry::choices() const {
  std::vector<std::string> lower;
  const std::vector<std::string> words = WordsOf(value);
  if (words.size() < 2) return lower;
  for (const std::string& word : words)
    if (std::ranges::none_of(word, [](unsigned char c) { return std::isupper(c) != 0; }))
      lower.push_back(word);
  return lower;
}

bool FlagEntry::takes_path() const {
  const std::vector<std::string> words = WordsOf(value);
  return std::ranges::any_of(words, [](const std::string& word) {
    return word.starts_with("FILE") || word.starts_with("MODEL") || word.starts_with("RESULT.") ||
           word == "PATH" || word == "DIR";
  });
}

std::string CommandPage::usage() const {
  std::string line = full_name();
  for (const FlagGroup& group : groups)
    for (const FlagEntry& entry : group.entries)
      if (entry.is_argument) line += " " + entry.name;
  for (const FlagGroup& group : groups)
    for (const FlagEntry& entry : group.entries)
      if (entry.may_lead && !entry.is_argument) line += " [" + entry.value + "]";
  return line + (commands.empty() ? " [FLAGS]" : " COMMAND [FLAGS]");
}

CommandPage PageOf(const CLI::App& command, const OptionFlags* flags) {
  CommandPage page;
  if (command.get_parent() != nullptr) page.name = FullName(command);
  page.summary = command.get_description();
  page.text = command.get_footer();
  for (const CLI::App* below : command.get_subcommands({}))
    page.commands.push_back({below->get_name(), below->get_description(), below->get_group()});
  FlagGroup last{kOtherFlags, {}};
  for (const CLI::Option* option : command.get_options()) {
    FlagEntry entry = EntryOf(*option, flags);
    if (option == command.get_help_ptr() || option == command.get_version_ptr())
      last.entries.push_back(std::move(entry));
    else
      GroupNamed(page.groups, entry.is_argument ? kArguments : option->get_group())
          .entries.push_back(std::move(entry));
  }
  page.groups.push_back(std::move(last));
  return page;
}

std::vector<Paragraph> ParagraphsOf(std::string_view text) {
  std::vector<Paragraph> paragraphs;
  bool is_new = true;
  for (const std::string_view line : SplitAt(text, '\n')) {
    const bool is_verbatim = line.starts_with(' ');
    if (line.empty()) {
      is_new = true;
      continue;
    }
    if (is_new || paragraphs.back().is_verbatim != is_verbatim)
      paragraphs.push_back({is_verbatim, ""});
    std::string& all = paragraphs.back().text;
    if (!all.empty()) all += is_verbatim ? '\n' : ' ';
    all += line;
    is_new = false;
  }
  return paragraphs;
}

}  // namespace lockstep
