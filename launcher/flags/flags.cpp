#include "launcher/flags/flags.h"

#include <CLI/CLI.hpp>

#include "core/error.h"
#include "runtime/options/option_table.h"
#include "runtime/options/option_types.h"
#include "runtime/options/words/nearest.h"
#include "runtime/options/words/synonyms.h"

namespace lockstep {
namespace {

// What a flag's value is called where it is one of few words: "cpu|cuda|auto".
std::string WordsOfKey(const OptionKey& key) {
  std::string words = key.expected;
  for (auto at = words.find(" or "); at != std::string::npos; at = words.find(" or ", at))
    words.replace(at, 4, "|");
  return words;
}

std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

// What other programs call a command, or else the one that is written most like it.
std::string NearestCommand(const std::string& name, const std::vector<std::string>& known) {
  for (const char* word : {"run", "chat", "infer", "predict"})
    if (name == word) return "generate";
  return CloseName(name, known);
}

std::string Joined(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined;
}

// Flags stand behind the command.
[[noreturn]] void RefuseEarlyFlag(const CLI::App& app, const std::string& name) {
  const std::string group = app.get_parent() == nullptr ? "" : FullName(app) + " ";
  throw BadInput("flag {} stands before the command; write lockstep {}COMMAND {} ...",
                 QuotedText(name), group, name);
}

bool AnyCommandHas(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands({}))
    if (command->get_option_no_throw(name) != nullptr) return true;
  return false;
}

[[noreturn]] void RefuseFlag(const CLI::App& app, const std::string& argument) {
  const std::string name = argument.substr(0, argument.find('='));
  if (AnyCommandHas(app, name)) RefuseEarlyFlag(app, name);
  const std::string place = app.get_name() == "lockstep" ? "" : " of " + FullName(app);
  std::string nearest = CloseName(name, FlagNames(app));
  if (!nearest.empty()) nearest = "the nearest known one is " + nearest;
  std::string advice = AdviceOr(AsInFiles(name), nearest);
  if (!advice.empty()) advice += "; ";
  throw BadInput("unknown flag {}{}; {}see lockstep {}--help", QuotedText(name), place, advice,
                 place.empty() ? "" : FullName(app) + " ");
}

[[noreturn]] void ThrowRepeated(const CLI::App& command, const CLI::Option& option) {
  const std::string& name = option.get_lnames().front();
  if (option.get_positional())
    throw BadInput("{}: {} and {} are two models; give one, as an argument or by --{}",
                   FullName(command), QuotedText(option.results()[0]),
                   QuotedText(option.results()[1]), name);
  throw BadInput("--{} is given {} times; give it once", name, option.count());
}

// A word behind a model that was given already, by its flag or as an argument.
void RefuseSecondModel(const CLI::App& command, const std::string& word) {
  for (const CLI::Option* option : command.get_options())
    if (option->get_positional() && !option->get_lnames().empty() && option->count() > 0)
      throw BadInput(
          "{}: the model is {}, and {} belongs to no flag; give one model, as an argument or by "
          "--{}{}; see lockstep {} --help",
          FullName(command), QuotedText(option->results()[0]), QuotedText(word),
          option->get_lnames().front(),
          command.get_option_no_throw("--prompt") == nullptr ? "" : ", and a text by --prompt",
          FullName(command));
}

[[noreturn]] void RefuseCommand(const CLI::App& app, const std::string& word) {
  const bool is_program = app.get_parent() == nullptr;
  const std::vector<std::string> commands = CommandNames(app);
  std::string nearest = is_program ? NearestCommand(word, commands) : CloseName(word, commands);
  if (!nearest.empty()) nearest = fmt::format("the nearest is {}, ", nearest);
  throw BadInput("unknown command {}{}; {}all are {}", QuotedText(word),
                 is_program ? "" : " of " + FullName(app), nearest, Joined(commands));
}

}  // namespace

std::string FullName(const CLI::App& command) {
  const CLI::App* above = command.get_parent();
  const bool stands_alone = above == nullptr || above->get_parent() == nullptr;
  return stands_alone ? command.get_name() : FullName(*above) + " " + command.get_name();
}

void AddValueFlag(CLI::App& command, std::string_view heading, const ValueFlag& flag) {
  command.add_option(flag.name, flag.text, flag.help)
      ->type_name(flag.value)
      ->default_str(flag.usual)
      ->take_last()
      ->group(std::string(heading));
}

void OptionFlags::Add(CLI::App& command, std::string_view heading,
                      std::initializer_list<Flag> flags) {
  for (const Flag& flag : flags) {
    // Behind the name of a positional argument that says the same, where there is one.
    const std::string name = std::string(flag.name).substr(std::string_view(flag.name).find("--"));
    const OptionKey& key = FindOption(flag.key, name);
    Value& value = values_[name];
    value.key = flag.key;
    value.option = command.add_option(flag.name, value.text)
                       ->description(flag.help == nullptr ? key.help : flag.help)
                       ->default_str(flag.usual == nullptr ? UsualOf(key) : flag.usual)
                       ->type_name(flag.value == nullptr ? WordsOfKey(key) : flag.value)
                       ->take_last()
                       ->group(std::string(heading));
  }
}

void OptionFlags::AddStop(CLI::App& command, std::string_view heading) {
  const OptionKey& stop = FindOption("sampling.stop", "--stop");
  stop_option_ = command.add_option("--stop", stop_, stop.help + "; may be repeated")
                     ->type_name("TEXT")
                     ->allow_extra_args(false)
                     ->group(std::string(heading));
}

void OptionFlags::AddSwitch(CLI::App& command, std::string_view heading, const Switch& flag) {
  const OptionKey& key = FindOption(flag.key, flag.name);
  Value& value = values_[flag.name];
  value = {flag.key, flag.value, nullptr};
  const std::string help = flag.help.empty() ? key.help : flag.help;
  value.option = command.add_flag(flag.name, help)->group(std::string(heading));
}

std::string OptionFlags::KeyOf(const std::string& name) const {
  if (name == "--stop" && stop_option_ != nullptr) return "sampling.stop";
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second.key;
}

void OptionFlags::SetUsualOfKeys(CLI::App& command, std::string_view heading,
                                 const std::string& words) const {
  for (CLI::Option* option : command.get_options()) {
    if (option->get_group() != heading) continue;
    const std::string name = "--" + option->get_lnames().front();
    option->default_str(FindOption(KeyOf(name), name).value(Options{}) + words);
  }
}

void OptionFlags::Apply(Options& options) const {
  for (const auto& [name, value] : values_) {
    if (value.option->count() == 0) continue;
    const OptionKey& key = FindOption(value.key, name);
    key.set(options, WrittenValue(key, value.text, name));
  }
  if (stop_option_ != nullptr && stop_option_->count() > 0)
    FindOption("sampling.stop", "--stop")
        .set(options, {ConfigValue::Kind::kList, "", stop_, "--stop"});
}

std::string OptionFlags::Given(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second.text;
}

void AddApiKey(CLI::App& command, std::string_view heading, std::optional<std::string>& key) {
  command
      .add_option("--api-key", key,
                  "the API key itself; others on this machine can see it on the command line: "
                  "prefer --api-key-file or the variable LOCKSTEP_API_KEY")
      ->type_name("KEY")
      ->take_last()
      ->group(std::string(heading));
}

void RefuseRepeated(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options())
    if (option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeLast &&
        option->get_items_expected_max() > 0 && option->count() > 1)
      ThrowRepeated(command, *option);
}

void RefuseLeftovers(const CLI::App& app) {
  const std::vector<std::string> leftovers = app.remaining();
  if (!leftovers.empty()) {
    const std::string& first = leftovers.front();
    if (first.starts_with("-") && first.size() > 1) RefuseFlag(app, first);
    if (!CommandNames(app).empty()) RefuseCommand(app, first);
    RefuseSecondModel(app, first);
    throw BadInput("{} does not belong to any flag of {}; see lockstep {} --help",
                   QuotedText(first), FullName(app), FullName(app));
  }
  for (const CLI::App* command : app.get_subcommands()) RefuseLeftovers(*command);
}

const CLI::App& GivenCommand(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  if (commands.empty()) {
    const std::string group = app.get_parent() == nullptr ? "" : FullName(app) + " ";
    throw BadInput("{}no command; expected {}; see lockstep {}--help",
                   group.empty() ? "" : FullName(app) + ": ", Joined(CommandNames(app)), group);
  }
  if (commands.size() > 1)
    throw BadInput("{} and {} are two commands; give one", commands[0]->get_name(),
                   commands[1]->get_name());
  const CLI::App& command = *commands[0];
  return CommandNames(command).empty() ? command : GivenCommand(command);
}

}  // namespace lockstep
