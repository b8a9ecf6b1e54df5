#include "launcher/flags/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "core/error.h"
#include "core/version.h"
#include "launcher/flags/bench/scaling_flags.h"
#include "launcher/flags/bench_flags.h"
#include "launcher/flags/command_checks.h"
#include "launcher/flags/command_names.h"
#include "launcher/flags/commands/plan_flags.h"
#include "launcher/flags/eval_flags.h"
#include "launcher/flags/flag_words.h"
#include "launcher/flags/flags.h"
#include "launcher/flags/help_format.h"
#include "launcher/flags/help_texts.h"
#include "launcher/flags/load_flags.h"
#include "runtime/options/config_yaml.h"
#include "runtime/options/option_table.h"

namespace lockstep {
namespace {

constexpr const char* kModelGroup = "Model";
constexpr const char* kRunGroup = "How to run it";
constexpr const char* kTextGroup = "Input and output";
constexpr const char* kSamplingGroup = "Choosing tokens";
constexpr const char* kEmbedGroup = "Hidden states";
constexpr const char* kConfigGroup = "Configuration";
constexpr const char* kBenchGroup = "What to measure";
constexpr const char* kEvalGroup = "What to evaluate";
constexpr const char* kServerGroup = "Server";
constexpr const char* kPlanGroup = "What to predict";

// CLI11 binds flags to variables: these, for all commands.
struct Bindings {
  OptionFlags flags;
  std::string config;
  std::vector<std::string> settings;
  std::string prompt;
  std::string url;
  std::optional<std::string> api_key;
  std::string input;
  std::string output;
  CLI::Option* prompt_option = nullptr;
  bool print_config = false;
  bool quiet = false;
  bool verbose = false;
  bool restart = false;
  bool decode = false;
  bool json = false;
  bool random_weights = false;
  BenchFlags bench;
  LoadFlags load;
  ScalingFlags scaling;
  CompareFlags compare;
  EvalFlags eval;
  PlanFlags plan;
};

using AllBindings = std::map<std::string, Bindings>;

Bindings& AddCommand(CLI::App& app, AllBindings& all, const std::string& name,
                     std::pair<const char*, const char*> help_and_footer) {
  CLI::App& command = *app.add_subcommand(name, help_and_footer.first)->group("Commands");
  command.footer(help_and_footer.second);
  command.allow_extras();
  return all[FullName(command)];
}

void AddConfigFlags(CLI::App& command, Bindings& bound) {
  command.add_option("--config", bound.config, "a YAML configuration; flags override it")
      ->type_name("FILE.yaml")
      ->take_last()
      ->group(kConfigGroup);
  command.add_option("--set", bound.settings, "sets one key of the configuration; may be repeated")
      ->type_name("KEY.PATH=VALUE")
      ->allow_extra_args(false)
      ->group(kConfigGroup);
  command.add_flag("--print-config", bound.print_config, "prints all keys as they are, and ends")
      ->group(kConfigGroup);
}

void AddRandomWeights(CLI::App& command, Bindings& bound) {
  command.add_flag("--random-weights", bound.random_weights, "makes weights of this shape up")
      ->group(kModelGroup);
}

void AddPlaceFlags(CLI::App& command, Bindings& bound) {
  bound.flags.Add(command, kRunGroup,
                  {{"--tp", "parallel.tp", "N"},
                   {"--device", "parallel.device", "cpu|cuda|auto"},
                   {"--threads", "parallel.threads", "N"},
                   {"--backend", "engine.backend", "cpu|reference"}});
  command.add_flag("--quiet", bound.quiet, "says nothing but errors")->group(kRunGroup);
  command.add_flag("--verbose", bound.verbose, "says what it does")->group(kRunGroup);
}

void AddModelFlags(CLI::App& command, Bindings& bound) {
  bound.flags.Add(command, kModelGroup,
                  {{"--model", "model.path", "MODEL"},
                   {"--tokenizer", "model.tokenizer", "PATH"},
                   {"--dtype", "model.dtype", "fp32|bf16|fp16|int8|int4"}});
  AddRandomWeights(command, bound);
}

void AddRunFlags(CLI::App& command, Bindings& bound) {
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  command.add_option("--input", bound.input, "JSON lines; - is standard input")
      ->type_name("FILE")
      ->take_last()
      ->group(kTextGroup);
  command.add_option("--output", bound.output, "where JSON lines go [standard output]")
      ->type_name("FILE")
      ->take_last()
      ->group(kTextGroup);
}

void AddPassThrough(CLI::App& command, Bindings& bound) {
  bound.flags.AddSwitch(command, kTextGroup,
                        {"--pass-through", "input.unknown_fields", "pass_through",
                         "copies a line's unknown fields to its answer"});
}

void AddRestart(CLI::App& command, Bindings& bound) {
  command
      .add_flag("--restart", bound.restart,
                "begins again, whatever an earlier run has left or finished")
      ->group(kTextGroup);
}

// How a token is chosen.
void AddChoiceFlags(CLI::App& command, Bindings& bound) {
  bound.flags.Add(command, kSamplingGroup,
                  {{"--temperature", "sampling.temperature", "T"},
                   {"--top-k", "sampling.top_k", "K"},
                   {"--top-p", "sampling.top_p", "P"},
                   {"--min-p", "sampling.min_p", "P"},
                   {"--repetition-penalty", "sampling.repetition_penalty", "R"},
                   {"--presence-penalty", "sampling.presence_penalty", "R"},
                   {"--frequency-penalty", "sampling.frequency_penalty", "R"},
                   {"--seed", "sampling.seed", "N"}});
}

void AddSamplingFlags(CLI::App& command, Bindings& bound) {
  AddChoiceFlags(command, bound);
  bound.flags.Add(command, kSamplingGroup,
                  {{"--max-new-tokens", "sampling.max_new_tokens", "N"},
                   {"--min-tokens", "sampling.min_tokens", "N"},
                   {"--n", "sampling.n", "N"},
                   {"--best-of", "sampling.best_of", "N"},
                   {"--num-beams", "sampling.num_beams", "N"},
                   {"--length-penalty", "sampling.length_penalty", "R"},
                   {"--early-stopping", "sampling.early_stopping", "WHEN"},
                   {"--logprobs", "sampling.logprobs", "K"}});
  bound.flags.AddStop(command, kSamplingGroup);
  bound.flags.AddSwitch(command, kSamplingGroup, {"--ignore-eos", "sampling.ignore_eos", "true"});
  bound.flags.Add(command, kSamplingGroup,
                  {{"--generation-config", "model.generation_config", "none|auto|PATH"}});
}

void AddGroups(CLI::App& command, Bindings& bound) {
  bound.flags.Add(command, kRunGroup, {{"--dp", "parallel.dp", "D"}});
}

void AddGenerate(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(app, all, "generate", {"Continues texts.", kGenerateFooter});
  CLI::App& command = *app.get_subcommand("generate");
  AddRunFlags(command, bound);
  AddGroups(command, bound);
  bound.prompt_option = command.add_option("--prompt", bound.prompt, "continues this text")
                            ->type_name("TEXT")
                            ->take_last()
                            ->group(kTextGroup);
  AddSamplingFlags(command, bound);
  AddPassThrough(command, bound);
  AddRestart(command, bound);
  AddConfigFlags(command, bound);
}

void AddScore(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(
      app, all, "score", {"Gives the log-probability of each token of a text.", kScoreFooter});
  CLI::App& command = *app.get_subcommand("score");
  AddRunFlags(command, bound);
  AddGroups(command, bound);
  AddPassThrough(command, bound);
  AddRestart(command, bound);
  AddConfigFlags(command, bound);
}

void AddEmbed(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(app, all, "embed", {"Gives texts as vectors.", kEmbedFooter});
  CLI::App& command = *app.get_subcommand("embed");
  AddRunFlags(command, bound);
  AddGroups(command, bound);
  AddPassThrough(command, bound);
  bound.flags.Add(command, kEmbedGroup,
                  {{"--layer", "embed.layer", "K"}, {"--pooling", "embed.pooling", "mean|last"}});
  AddRestart(command, bound);
  AddConfigFlags(command, bound);
}

void AddServe(CLI::App& app, AllBindings& all) {
  Bindings& bound =
      AddCommand(app, all, "serve", {"Answers clients over HTTP, as OpenAI does.", kServeFooter});
  CLI::App& command = *app.get_subcommand("serve");
  bound.flags.Add(command, kServerGroup,
                  {{"--host", "server.host", "ADDRESS"},
                   {"--port", "server.port", "N"},
                   {"--served-model-name", "server.model_name", "NAME"},
                   {"--api-key-file", "server.api_key_file", "FILE"},
                   {"--trusted-proxies", "server.trusted_proxies", "N"},
                   {"--chat-template", "server.chat_template", "FILE"},
                   {"--max-queue", "server.max_queue", "N"},
                   {"--log-format", "server.log_format", "text|json"},
                   {"--tls-cert", "server.tls_cert", "FILE"},
                   {"--tls-key", "server.tls_key", "FILE"}});
  AddApiKey(command, kServerGroup, bound.api_key);
  bound.flags.AddSwitch(command, kServerGroup, {"--log-requests", "server.log_requests", "true"});
  bound.flags.AddSwitch(command, kServerGroup, {"--allow-load", "server.allow_load", "true"});
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  AddGroups(command, bound);
  AddChoiceFlags(command, bound);
  AddConfigFlags(command, bound);
}

void AddServerFlags(CLI::App& command, Bindings& bound) {
  command.add_option("--url", bound.url, "of a server, in place of a model of its own")
      ->type_name("http://HOST:PORT")
      ->take_last()
      ->group(kServerGroup);
  bound.flags.Add(command, kServerGroup, {{"--api-key-file", "server.api_key_file", "FILE"}});
  AddApiKey(command, kServerGroup, bound.api_key);
}

void AddComplete(CLI::App& app, AllBindings& all) {
  Bindings& bound =
      AddCommand(app, all, "complete", {"Continues what you type, at a prompt.", kCompleteFooter});
  CLI::App& command = *app.get_subcommand("complete");
  AddServerFlags(command, bound);
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  AddChoiceFlags(command, bound);
  AddConfigFlags(command, bound);
}

void AddTokenize(CLI::App& app, AllBindings& all) {
  Bindings& bound =
      AddCommand(app, all, "tokenize", {"Turns text into token ids, and back.", kTokenizeFooter});
  CLI::App& command = *app.get_subcommand("tokenize");
  bound.flags.Add(command, kModelGroup, {{"--tokenizer", "model.tokenizer", "PATH"}});
  command.add_flag("--decode", bound.decode, "token ids to text")->group(kTextGroup);
}

void AddPlan(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(app, all, "plan", {"Shows what each rank would hold.", kPlanFooter});
  CLI::App& command = *app.get_subcommand("plan");
  bound.flags.Add(command, kModelGroup,
                  {{"MODEL,--model", "model.path", "MODEL"},
                   {"--dtype", "model.dtype", "fp32|bf16|fp16|int8|int4"}});
  bound.flags.Add(command, kRunGroup,
                  {{"--tp", "parallel.tp", "N"}, {"--threads", "parallel.threads", "N"}});
  AddGroups(command, bound);
  bound.plan.Add(command, kPlanGroup);
  command.add_flag("--json", bound.json, "for programs")->group(kTextGroup);
  AddConfigFlags(command, bound);
}

void AddBench(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(app, all, "bench",
                               {"Measures speed beside what the machine can do.", kBenchFooter});
  CLI::App& command = *app.get_subcommand("bench");
  bound.bench.Add(command, kBenchGroup);
  bound.flags.Add(
      command, kModelGroup,
      {{"--model", "model.path", "MODEL"}, {"--dtype", "model.dtype", "fp32|bf16|fp16|int8|int4"}});
  AddChoiceFlags(command, bound);
  AddRandomWeights(command, bound);
  AddPlaceFlags(command, bound);
  command.add_flag("--json", bound.json, "for programs")->group(kTextGroup);
  AddConfigFlags(command, bound);
}

void AddBenchScaling(CLI::App& app, AllBindings& all) {
  CLI::App& bench = *app.get_subcommand("bench");
  Bindings& bound = AddCommand(
      bench, all, "scaling",
      {"Measures how speed grows with ranks, batches and lengths.", kBenchScalingFooter});
  CLI::App& command = *bench.get_subcommand("scaling");
  bound.scaling.Add(command, kBenchGroup);
  bound.flags.Add(
      command, kModelGroup,
      {{"--model", "model.path", "MODEL"}, {"--dtype", "model.dtype", "fp32|bf16|fp16|int8|int4"}});
  AddChoiceFlags(command, bound);
  AddRandomWeights(command, bound);
  AddPlaceFlags(command, bound);
  AddConfigFlags(command, bound);
}

void AddBenchServe(CLI::App& app, AllBindings& all) {
  CLI::App& bench = *app.get_subcommand("bench");
  Bindings& bound = AddCommand(
      bench, all, "serve",
      {"Sends load to a server or an engine, and says how it is borne.", kBenchServeFooter});
  CLI::App& command = *bench.get_subcommand("serve");
  AddServerFlags(command, bound);
  bound.load.Add(command);
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  AddChoiceFlags(command, bound);
  AddConfigFlags(command, bound);
}

void AddBenchCompare(CLI::App& app, AllBindings& all) {
  CLI::App& bench = *app.get_subcommand("bench");
  Bindings& bound =
      AddCommand(bench, all, "compare",
                 {"Says what became faster or slower beyond the noise.", kBenchCompareFooter});
  bound.compare.Add(*bench.get_subcommand("compare"));
}

void AddEval(CLI::App& app, AllBindings& all) {
  Bindings& bound =
      AddCommand(app, all, "eval", {"Scores models as lm-evaluation-harness does.", kEvalFooter});
  CLI::App& command = *app.get_subcommand("eval");
  bound.eval.Add(command, kEvalGroup);
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  AddGroups(command, bound);
  command.add_option("--output", bound.output, "where results go, as JSON")
      ->type_name("FILE")
      ->take_last()
      ->group(kTextGroup);
  AddRestart(command, bound);
  AddConfigFlags(command, bound);
}

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
  AddGenerate(app, all);
  AddScore(app, all);
  AddEmbed(app, all);
  AddServe(app, all);
  AddComplete(app, all);
  AddTokenize(app, all);
  AddPlan(app, all);
  AddBench(app, all);
  AddBenchScaling(app, all);
  AddBenchServe(app, all);
  AddBenchCompare(app, all);
  AddEval(app, all);
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
