#include "launcher/flags/pages/help_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "launcher/flags/pages/wrapped.h"
#include "runtime/options/option_table.h"
#include "runtime/options/option_types.h"

namespace lockstep {
namespace {

constexpr std::size_t kFlagIndent = 2;
constexpr std::size_t kHelpIndent = 28;

// Two columns. What is too long for the first has a line of its own.
std::string HelpRow(const std::string& first, const std::string& second) {
  std::string row = std::string(kFlagIndent, ' ') + first;
  if (row.size() + 2 > kHelpIndent) {
    row += "\n" + std::string(kHelpIndent, ' ');
  } else {
    row.resize(kHelpIndent, ' ');
  }
  return row + Wrapped(second, kHelpColumns, kHelpIndent, kHelpIndent) + "\n";
}

std::string NamesOf(const FlagEntry& entry) {
  if (entry.is_argument) return entry.name;
  return fmt::format("{}{}{}{}", entry.letter.empty() ? "    " : entry.letter + ", ", entry.name,
                     entry.value.empty() ? "" : " ", entry.value);
}

std::string WithUsual(const FlagEntry& entry) {
  if (entry.usual.empty()) return entry.help;
  return fmt::format("{} [default: {}]", entry.help, entry.usual);
}

std::string ListOfCommands(const CommandPage& page) {
  std::string text, heading;
  for (const CommandPage::Below& below : page.commands) {
    if (below.heading != heading) text += fmt::format("\n{}:\n", below.heading);
    heading = below.heading;
    text += HelpRow(below.name, below.summary);
  }
  return text;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::ranges::replace(lower, '_', '-');
  return lower;
}

bool Mentions(std::initializer_list<std::string_view> texts, const std::string& word) {
  return std::ranges::any_of(
      texts, [&](std::string_view text) { return Lower(text).find(word) != std::string::npos; });
}

std::string Indented(const std::string& name, const std::string& text) {
  if (text.empty()) return "";
  const std::string begin = fmt::format("    {:<12}", name);
  return begin + Wrapped(text, kHelpColumns, begin.size(), begin.size()) + "\n";
}

std::string FullHelp(const CommandPage& page, const FlagEntry& entry) {
  std::string text = fmt::format("{}{}{} {}", page.full_name(), entry.letter.empty() ? "" : " ",
                                 entry.letter.empty() ? "" : entry.letter + ",", entry.name);
  if (!entry.value.empty() && !entry.is_argument) text += " " + entry.value;
  return Wrapped(text, kHelpColumns, 4) + "\n" + Indented("", entry.help) +
         Indented("expected", entry.expected) + Indented("default", entry.usual) +
         Indented("key", entry.key) + "\n";
}

std::string FullHelp(const OptionKey& key) {
  return fmt::format("--set {}=VALUE\n", key.path) + Indented("", key.help) +
         Indented("expected", key.expected) + Indented("default", UsualOf(key)) + "\n";
}

}  // namespace

std::string HelpText(const CommandPage& page) {
  std::string text = Wrapped(page.summary, kHelpColumns, 0) + "\n\n";
  text += Wrapped("Usage: " + page.usage(), kHelpColumns, 7) + "\n";
  text += ListOfCommands(page);
  for (const FlagGroup& group : page.groups) {
    text += fmt::format("\n{}:\n", group.heading);
    for (const FlagEntry& entry : group.entries) text += HelpRow(NamesOf(entry), WithUsual(entry));
  }
  bool is_after_heading = false;
  for (const Paragraph& paragraph : ParagraphsOf(page.text)) {
    if (!(paragraph.is_verbatim && is_after_heading)) text += "\n";
    text += paragraph.is_verbatim ? paragraph.text : Wrapped(paragraph.text, kHelpColumns, 0);
    text += "\n";
    is_after_heading = paragraph.text.ends_with(':');
  }
  return text;
}

std::string FoundHelp(std::span<const CommandPage> pages, std::string_view word) {
  std::string sought = Lower(word);
  sought.erase(0, std::min(sought.find_first_not_of('-'), sought.size()));
  std::string text;
  for (const CommandPage& page : pages)
    for (const FlagGroup& group : page.groups)
      for (const FlagEntry& entry : group.entries)
        if (Mentions({entry.name, entry.help, entry.key}, sought)) text += FullHelp(page, entry);
  for (const OptionKey& key : OptionTable())
    if (Mentions({key.path, key.help}, sought)) text += FullHelp(key);
  if (text.empty())
    throw BadInput("--help={}: no flag and no key of the configuration mentions it; see {} --help",
                   QuotedText(word), pages.size() == 1 ? pages.front().full_name() : "lockstep");
  text.pop_back();
  return text;
}

}  // namespace lockstep
