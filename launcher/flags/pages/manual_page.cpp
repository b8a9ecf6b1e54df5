#include "launcher/flags/pages/manual_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/version.h"
#include "launcher/flags/pages/wrapped.h"
#include "runtime/options/option_table.h"
#include "runtime/options/option_types.h"

namespace lockstep {
namespace {

// Text as roff takes it: what it would read as its own is written in another way.
std::string Roff(std::string_view text) {
  std::string escaped;
  bool begins_line = true;
  for (const char c : text) {
    if (begins_line && (c == '.' || c == '\'')) escaped += "\\&";
    switch (c) {
      case '\\': escaped += "\\e"; break;
      case '-': escaped += "\\-"; break;
      case '\'': escaped += "\\(aq"; break;
      case '^': escaped += "\\(ha"; break;
      case '~': escaped += "\\(ti"; break;
      case '`': escaped += "\\(ga"; break;
      default: escaped += c;
    }
    begins_line = c == '\n';
  }
  return escaped;
}

// Flowing text, in lines of a length that readers of roff expect.
std::string RoffLines(std::string_view text) {
  constexpr std::size_t kColumns = 76;
  return Roff(Wrapped(text, kColumns, 0));
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper;
}

std::string Tagged(const std::string& tag, const std::string& text) {
  return fmt::format(".TP\n{}\n{}\n", tag, RoffLines(text));
}

std::string FlagTag(const FlagEntry& entry) {
  std::string tag;
  if (!entry.letter.empty()) tag += fmt::format("\\fB{}\\fR, ", Roff(entry.letter));
  tag += fmt::format("\\fB{}\\fR", Roff(entry.name));
  if (!entry.value.empty() && !entry.is_argument)
    tag += fmt::format(" \\fI{}\\fR", Roff(entry.value));
  return tag;
}

// What an entry does, with its default, its range and its key.
std::string FlagText(const FlagEntry& entry) {
  std::string text = entry.help + ".";
  if (!entry.expected.empty() && entry.choices().empty() && entry.expected != "text")
    text += fmt::format(" Expected: {}.", entry.expected);
  if (!entry.usual.empty()) text += fmt::format(" Default: {}.", entry.usual);
  if (!entry.key.empty()) text += fmt::format(" Key: {}.", entry.key);
  return text;
}

std::string OptionsOf(const CommandPage& page) {
  std::string roff = ".SH OPTIONS\n";
  for (const FlagGroup& group : page.groups) {
    roff += fmt::format(".SS {}\n", Roff(group.heading));
    for (const FlagEntry& entry : group.entries) roff += Tagged(FlagTag(entry), FlagText(entry));
  }
  return roff;
}

std::string CommandsOf(const CommandPage& page) {
  if (page.commands.empty()) return "";
  std::string roff = ".SH COMMANDS\n";
  for (const CommandPage::Below& below : page.commands)
    roff += Tagged(fmt::format("\\fB{}\\fR", Roff(below.name)), below.summary);
  return roff;
}

std::string SectionOf(const char* heading, std::span<const Paragraph> paragraphs) {
  std::string roff;
  for (const Paragraph& paragraph : paragraphs) {
    roff += roff.empty() ? fmt::format(".SH {}\n", heading) : ".PP\n";
    roff += paragraph.is_verbatim ? fmt::format(".nf\n{}\n.fi\n", Roff(paragraph.text))
                                  : RoffLines(paragraph.text) + "\n";
  }
  return roff;
}

// The footer of the help: what stands below "Examples:" has a section of its own.
std::string FooterOf(const CommandPage& page) {
  std::vector<Paragraph> notes, examples;
  bool is_below_examples = false;
  for (const Paragraph& paragraph : ParagraphsOf(page.text)) {
    const bool is_heading = !paragraph.is_verbatim && paragraph.text.starts_with("Example");
    is_below_examples = is_heading || (is_below_examples && paragraph.is_verbatim);
    if (!is_heading) (is_below_examples ? examples : notes).push_back(paragraph);
  }
  return SectionOf("NOTES", notes) + SectionOf("EXAMPLES", examples);
}

std::string ExitStatus() {
  constexpr std::pair<const char*, const char*> kCodes[] = {
      {"0", "Success."},
      {"1", "An internal error: a defect of Lockstep."},
      {"2", "Bad input: flags, configuration, checkpoint, tokenizer, request, rank count."},
      {"3", "Bad environment: files, memory, network, MPI."},
      {"4", "A rank died, or did not answer before its deadline."},
      {"5", "lockstep bench compare --fail-on-slower found something slower."},
      {"130", "Interrupted."}};
  std::string roff = ".SH EXIT STATUS\n";
  for (const auto& [code, meaning] : kCodes)
    roff += Tagged(fmt::format("\\fB{}\\fR", code), meaning);
  return roff;
}

std::string KeysOfConfiguration() {
  std::string roff =
      ".SH CONFIGURATION\n"
      "Keys of a YAML configuration (\\fB\\-\\-config\\fR), and of\n\\fB\\-\\-set\\fR "
      "\\fIKEY\\fR=\\fIVALUE\\fR.\n";
  for (const OptionKey& key : OptionTable()) {
    const std::string usual = UsualOf(key);
    roff += Tagged(fmt::format("\\fB{}\\fR", Roff(key.path)),
                   fmt::format("{}. Expected: {}.{}", key.help, key.expected,
                               usual.empty() ? "" : fmt::format(" Default: {}.", usual)));
  }
  return roff;
}

std::string SeeAlso(std::span<const CommandPage> pages, const CommandPage& page) {
  std::string roff;
  for (const CommandPage& other : pages) {
    if (other.name == page.name) continue;
    roff += fmt::format("{}.BR {} (1)", roff.empty() ? "" : ",\n", Roff(ManualName(other)));
  }
  return fmt::format(".SH SEE ALSO\n{}\n", roff);
}

std::string RoffOf(std::span<const CommandPage> pages, const CommandPage& page) {
  std::string summary = page.summary;
  if (summary.ends_with('.')) summary.pop_back();
  std::string roff = fmt::format(
      ".TH {} 1 \"\" \"lockstep {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}\n",
      Upper(Roff(ManualName(page))), Version(), Roff(ManualName(page)), Roff(summary),
      Roff(page.usage()));
  roff += fmt::format(".SH DESCRIPTION\n{}\n", RoffLines(page.summary));
  roff += CommandsOf(page) + OptionsOf(page);
  if (page.name.empty()) roff += KeysOfConfiguration();
  return roff + FooterOf(page) + ExitStatus() + SeeAlso(pages, page);
}

}  // namespace

std::string ManualName(const CommandPage& page) {
  std::string name = page.full_name();
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::string ManualPage(std::span<const CommandPage> pages, const std::string& name) {
  const auto page = std::ranges::find(pages, name.empty() ? "lockstep" : name, ManualName);
  if (page == pages.end())
    throw BadInput("manual: there is no page {}; `lockstep manual --list` lists all",
                   QuotedText(name));
  return RoffOf(pages, *page);
}

std::string ListOfManuals(std::span<const CommandPage> pages) {
  std::string names;
  for (const CommandPage& page : pages) names += ManualName(page) + "\n";
  return names;
}

}  // namespace lockstep
