#include "launcher/config/flags.h"

#include "core/error.h"
#include "launcher/config/nearest.h"
#include "launcher/config/option_table.h"
#include "launcher/config/option_types.h"

namespace lockstep {
namespace {

// The key's explanation, with its default where that says something.
std::string HelpOf(const OptionKey& key) {
  const std::string value = key.print(Options{});
  if (value == "null" || value == "\"\"" || value == "[]") return key.help;
  return fmt::format("{} [{}]", key.help, value);
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

std::string Joined(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined;
}

[[noreturn]] void RefuseFlag(const CLI::App& app, const std::string& argument) {
  const std::string name = argument.substr(0, argument.find('='));
  const std::string place = app.get_name() == "lockstep" ? "" : " of " + app.get_name();
  throw BadInput("unknown flag {}{}; the nearest known one is {}; see lockstep {}--help",
                 QuotedText(name), place, NearestName(name, FlagNames(app)),
                 place.empty() ? "" : app.get_name() + " ");
}

}  // namespace

void OptionFlags::Add(CLI::App& command, std::string_view heading,
                      std::initializer_list<Flag> flags) {
  for (const Flag& flag : flags) {
    const OptionKey& key = FindOption(flag.key, flag.name);
    Value& value = values_[flag.name];
    value.key = flag.key;
    value.option = command.add_option(flag.name, value.text, HelpOf(key))
                       ->type_name(flag.value)
                       ->take_last()
                       ->group(std::string(heading));
  }
}

void OptionFlags::AddStopFlags(CLI::App& command, std::string_view heading) {
  const OptionKey& stop = FindOption("sampling.stop", "--stop");
  stop_option_ = command.add_option("--stop", stop_, stop.help + "; may be repeated")
                     ->type_name("TEXT")
                     ->allow_extra_args(false)
                     ->group(std::string(heading));
  const OptionKey& ignore = FindOption("sampling.ignore_eos", "--ignore-eos");
  command.add_flag("--ignore-eos", ignore_eos_, ignore.help)->group(std::string(heading));
}

void OptionFlags::Apply(Options& options) const {
  for (const auto& [name, value] : values_) {
    if (value.option->count() == 0) continue;
    const ConfigValue given{ConfigValue::Kind::kPlain, value.text, {}, name};
    FindOption(value.key, name).set(options, given);
  }
  if (stop_option_ != nullptr && stop_option_->count() > 0) options.sampling.stop = stop_;
  if (ignore_eos_) options.sampling.params.ignore_eos = true;
}

std::string OptionFlags::Given(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second.text;
}

void RefuseLeftovers(const CLI::App& app) {
  const std::vector<std::string> leftovers = app.remaining();
  if (!leftovers.empty()) {
    const std::string& first = leftovers.front();
    if (first.starts_with("-") && first.size() > 1) RefuseFlag(app, first);
    const std::vector<std::string> commands = CommandNames(app);
    if (commands.empty())
      throw BadInput("{} does not belong to any flag of {}; see lockstep {} --help",
                     QuotedText(first), app.get_name(), app.get_name());
    throw BadInput("unknown command {}; the nearest is {}, all are {}", QuotedText(first),
                   NearestName(first, commands), Joined(commands));
  }
  for (const CLI::App* command : app.get_subcommands()) RefuseLeftovers(*command);
}

}  // namespace lockstep
