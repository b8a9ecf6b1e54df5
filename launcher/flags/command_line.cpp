#include "launcher/flags/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "bench/result_about.h"
#include "core/error.h"
#include "core/files/file.h"
#include "core/version.h"
#include "launcher/flags/command_checks.h"
#include "launcher/flags/command_names.h"
#include "launcher/flags/commands/command_flags.h"
#include "launcher/flags/flag_words.h"
#include "launcher/flags/flags.h"
#include "launcher/flags/help_texts.h"
#include "launcher/flags/pages/command_page.h"
#include "launcher/flags/pages/completion.h"
#include "launcher/flags/pages/help_page.h"
#include "launcher/flags/pages/manual_page.h"
#include "runtime/options/option_table.h"
#include "runtime/options/yaml/config_yaml.h"

namespace lockstep {
namespace {

// The configuration, then --set, then flags. A YAML given as --model is the configuration; where no
// weights are needed the name of one that comes with the program is, too.
void FillOptions(const Bindings& bound, Arguments& arguments) {
  const std::string model = bound.flags.Given("--model");
  arguments.config_file = bound.config;
  const bool needs_no_weights = arguments.command == Command::kPlan ||
                                arguments.command == Command::kBench ||
                                arguments.command == Command::kBenchScaling;
  const bool is_config =
      NamesConfig(model) || (needs_no_weights && bound.config.empty() && NamesShippedConfig(model));
  if (is_config) {
    if (!bound.config.empty())
      throw BadInput("--model {} and --config {} are two configurations; give one", model,
                     bound.config);
    arguments.config_file = model;
  }
  Options& options = arguments.options;
  if (!arguments.config_file.empty()) ApplyConfigFile(options, arguments.config_file);
  ApplySettings(options, bound.settings);
  const std::string configured = options.model.path;
  bound.flags.Apply(options);
  if (is_config) {
    options.model.path = configured;
  } else if (!model.empty()) {
    arguments.model_source = ModelSource::kFlag;
  }
}

// "lockstep 0.1.0 (1234abcd5678)"
std::string VersionLine() {
  const std::string commit = SourceCommit();
  return fmt::format("lockstep {}{}", Version(),
                     commit.empty() ? "" : fmt::format(" ({})", commit));
}

// --revision belongs to a model in the hub's cache, as "org/name@REVISION" does.
void AppendRevision(const std::string& revision, std::string& model) {
  if (revision.empty()) return;
  if (model.empty()) throw BadInput("--revision {}: no model; expected MODEL", revision);
  if (model.find(',') != std::string::npos)
    throw BadInput(
        "--revision {}: it belongs to one model, and there are several, {}; write "
        "org/name@REVISION, or --revisions",
        revision, model);
  if (FileExists(model))
    throw BadInput(
        "--revision {}: {} is a folder; only models in the Hugging Face cache have "
        "revisions",
        revision, model);
  if (model.find('@') != std::string::npos)
    throw BadInput("--revision {}: the model {} names a revision itself; give it in one of them",
                   revision, model);
  model += "@" + revision;
}

CommandLine Resolve(const std::string& name, const Bindings& bound) {
  Arguments arguments;
  arguments.command = CommandOf(name);
  FillOptions(bound, arguments);
  arguments.url = bound.url;
  arguments.tls_ca = bound.tls_ca;
  arguments.api_key = bound.api_key;
  AppendRevision(bound.revision, arguments.options.model.path);
  arguments.trace_file = bound.trace_file;
  if (bound.print_config) return {std::nullopt, PrintOptions(arguments.options)};
  if (bound.prompt_option != nullptr && bound.prompt_option->count() > 0)
    arguments.prompt = bound.prompt;
  arguments.prompt_file = IsStandard(bound.prompt_file, "stdin", 0) ? "-" : bound.prompt_file;
  if (arguments.prompt == "-" && arguments.prompt_file.empty()) {
    arguments.prompt.reset();
    arguments.prompt_file = "-";
  }
  if (bound.escape) arguments.escapes = PromptEscapes::kProcessed;
  arguments.input = IsStandard(bound.input, "stdin", 0) ? "-" : bound.input;
  if (!bound.output.empty())
    arguments.output = IsStandard(bound.output, "stdout", 1) ? "-" : bound.output;
  if (bound.quiet && bound.verbose)
    throw BadInput("{}: --quiet and --verbose are both given; expected one of them", name);
  if (bound.quiet) arguments.verbosity = Verbosity::kQuiet;
  if (bound.restart) arguments.restart = Restart::kFromTheBeginning;
  if (bound.elastic) arguments.lost_ranks = LostRanks::kStartAgain;
  if (bound.verbose) arguments.verbosity = Verbosity::kVerbose;
  if (bound.decode) arguments.direction = TokenizeDirection::kDecode;
  if (bound.json) arguments.report_format = ReportFormat::kJson;
  if (arguments.command == Command::kBench) {
    arguments.bench = bound.bench.Read();
    arguments.weights = WeightChoice::kRandomIfMissing;
  }
  PlanOptions plan;
  if (arguments.command == Command::kPlan) plan = bound.plan.Read();
  if (arguments.command == Command::kBenchCompare) arguments.compare = bound.compare.Read();
  if (arguments.command == Command::kBenchScaling) {
    arguments.scaling = bound.scaling.Read();
    arguments.weights = WeightChoice::kRandomIfMissing;
  }
  if (arguments.command == Command::kBenchServe) {
    arguments.load = bound.load.Read();
    arguments.load.seed = arguments.options.sampling.params.seed;
    arguments.weights = WeightChoice::kRandomIfMissing;
  }
  if (arguments.command == Command::kEval) {
    arguments.evaluation = bound.eval.Read(arguments.options.model.path);
    arguments.options.model.path = arguments.evaluation.models.front();
    arguments.output = bound.output.empty() ? "" : arguments.output;
  }
  if (bound.random_weights) arguments.weights = WeightChoice::kRandom;
  CheckCommand(arguments, bound.output);
  return {std::move(arguments), "", std::move(plan)};
}

// The program's page, and those of all commands.
void AddPages(const CLI::App& app, const AllBindings& all, std::vector<CommandPage>& pages) {
  const auto bound = app.get_parent() == nullptr ? all.end() : all.find(FullName(app));
  pages.push_back(PageOf(app, bound == all.end() ? nullptr : &bound->second.flags));
  for (const CLI::App* command : app.get_subcommands({})) AddPages(*command, all, pages);
}

// What --help says of the command that was given last.
std::string HelpOf(const CLI::App& app, const AllBindings& all) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().back();
  std::vector<CommandPage> pages;
  AddPages(*command, all, pages);
  return HelpText(pages.front());
}

// --help=WORD: in one command, or in all.
std::string HelpOn(const std::string& word, const CLI::App* command, const CLI::App& app,
                   const AllBindings& all) {
  std::vector<CommandPage> pages;
  AddPages(command == nullptr ? app : *command, all, pages);
  return FoundHelp(pages, word);
}

// The commands that print what is known of the others; empty: `name` is none of them.
std::optional<std::string> TextOf(const std::string& name, const Bindings& bound,
                                  const CLI::App& app, const AllBindings& all) {
  if (name != "completion" && name != "manual") return std::nullopt;
  std::vector<CommandPage> pages;
  AddPages(app, all, pages);
  if (name == "completion") return CompletionScript(bound.shell, pages);
  return bound.list ? ListOfManuals(pages) : ManualPage(pages, bound.manual);
}

}  // namespace

CommandLine ParseCommandLine(std::span<const std::string> arguments) {
  CLI::App app(kMainHelp, "lockstep");
  app.footer(kMainFooter);
  app.set_help_flag("--help,-h", "shows this; --help=WORD what mentions a word");
  app.set_version_flag("--version", VersionLine(), "shows the version and the commit");
  app.allow_extras();
  AllBindings all;
  AddCommands(app, all);
  std::vector<std::string> words = OwnWords(app, arguments.subspan(arguments.empty() ? 0 : 1));
  if (const auto word = SoughtHelp(app, words))
    return {std::nullopt, HelpOn(*word, CommandOf(app, words), app, all)};
  std::reverse(words.begin(), words.end());  // CLI11 takes them last first
  try {
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    return {std::nullopt, HelpOf(app, all)};
  } catch (const CLI::CallForVersion&) {
    return {std::nullopt, app.version() + "\n"};
  } catch (const CLI::ParseError& error) {
    throw BadInput("{}; see lockstep --help", error.what());
  }
  RefuseLeftovers(app);
  const CLI::App& command = GivenCommand(app);
  RefuseRepeated(command);
  const std::string name = FullName(command);
  const Bindings& bound = all.at(name);
  if (auto text = TextOf(name, bound, app, all)) return {std::nullopt, std::move(*text)};
  return Resolve(name, bound);
}

}  // namespace lockstep
