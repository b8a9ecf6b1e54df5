#include "launcher/flags/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "core/error.h"
#include "core/version.h"
#include "launcher/flags/command_checks.h"
#include "launcher/flags/command_names.h"
#include "launcher/flags/commands/command_flags.h"
#include "launcher/flags/flag_words.h"
#include "launcher/flags/flags.h"
#include "launcher/flags/help_format.h"
#include "launcher/flags/help_texts.h"
#include "runtime/options/config_yaml.h"
#include "runtime/options/option_table.h"

namespace lockstep {
namespace {

// The configuration, then --set, then flags. A YAML given as --model is the configuration.
void FillOptions(const Bindings& bound, Arguments& arguments) {
  const std::string model = bound.flags.Given("--model");
  arguments.config_file = bound.config;
  if (NamesConfig(model)) {
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
  if (NamesConfig(model)) {
    options.model.path = configured;
  } else if (!model.empty()) {
    arguments.model_source = ModelSource::kFlag;
  }
}

CommandLine Resolve(const std::string& name, const Bindings& bound) {
  Arguments arguments;
  arguments.command = CommandOf(name);
  FillOptions(bound, arguments);
  arguments.url = bound.url;
  arguments.tls_ca = bound.tls_ca;
  arguments.api_key = bound.api_key;
  if (bound.print_config) return {std::nullopt, PrintOptions(arguments.options)};
  if (bound.prompt_option != nullptr && bound.prompt_option->count() > 0)
    arguments.prompt = bound.prompt;
  arguments.input = IsStandard(bound.input, "stdin", 0) ? "-" : bound.input;
  if (!bound.output.empty())
    arguments.output = IsStandard(bound.output, "stdout", 1) ? "-" : bound.output;
  if (bound.quiet && bound.verbose)
    throw BadInput("{}: --quiet and --verbose are both given; expected one of them", name);
  if (bound.quiet) arguments.verbosity = Verbosity::kQuiet;
  if (bound.restart) arguments.restart = Restart::kFromTheBeginning;
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

}  // namespace

CommandLine ParseCommandLine(std::span<const std::string> arguments) {
  CLI::App app(kMainHelp, "lockstep");
  app.footer(kMainFooter);
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("--help,-h", "shows this");
  app.set_version_flag("--version", fmt::format("lockstep {}", Version()), "shows the version");
  app.allow_extras();
  AllBindings all;
  AddCommands(app, all);
  std::vector<std::string> words = OwnWords(app, arguments.subspan(arguments.empty() ? 0 : 1));
  std::reverse(words.begin(), words.end());  // CLI11 takes them last first
  try {
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    return {std::nullopt, HelpText(app)};
  } catch (const CLI::CallForVersion&) {
    return {std::nullopt, app.version() + "\n"};
  } catch (const CLI::ParseError& error) {
    throw BadInput("{}; see lockstep --help", error.what());
  }
  RefuseLeftovers(app);
  const CLI::App& command = GivenCommand(app);
  RefuseRepeated(command);
  return Resolve(FullName(command), all.at(FullName(command)));
}

}  // namespace lockstep
