#include "launcher/flags/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/version.h"
#include "launcher/flags/bench_flags.h"
#include "launcher/flags/flag_words.h"
#include "launcher/flags/flags.h"
#include "launcher/flags/help_format.h"
#include "launcher/flags/help_texts.h"
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
constexpr const char* kServerGroup = "Server";

// CLI11 binds flags to variables: these, for all commands.
struct Bindings {
  OptionFlags flags;
  std::string config;
  std::vector<std::string> settings;
  std::string prompt;
  std::string url;
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
};

using AllBindings = std::map<std::string, Bindings>;

Bindings& AddCommand(CLI::App& app, AllBindings& all, const std::string& name,
                     std::pair<const char*, const char*> help_and_footer) {
  CLI::App& command = *app.add_subcommand(name, help_and_footer.first)->group("Commands");
  command.footer(help_and_footer.second);
  command.allow_extras();
  return all[name];
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
                   {"--chat-template", "server.chat_template", "FILE"},
                   {"--max-queue", "server.max_queue", "N"}});
  bound.flags.AddSwitch(command, kServerGroup, {"--allow-load", "server.allow_load", "true"});
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  AddGroups(command, bound);
  AddChoiceFlags(command, bound);
  AddConfigFlags(command, bound);
}

void AddComplete(CLI::App& app, AllBindings& all) {
  Bindings& bound =
      AddCommand(app, all, "complete", {"Continues what you type, at a prompt.", kCompleteFooter});
  CLI::App& command = *app.get_subcommand("complete");
  command.add_option("--url", bound.url, "of a server, in place of a model of its own")
      ->type_name("http://HOST:PORT")
      ->take_last()
      ->group(kServerGroup);
  bound.flags.Add(command, kServerGroup, {{"--api-key-file", "server.api_key_file", "FILE"}});
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
  bound.flags.Add(
      command, kModelGroup,
      {{"--model", "model.path", "MODEL"}, {"--dtype", "model.dtype", "fp32|bf16|fp16|int8|int4"}});
  bound.flags.Add(command, kRunGroup, {{"--tp", "parallel.tp", "N"}});
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

Command CommandOf(const std::string& name) {
  if (name == "bench") return Command::kBench;
  if (name == "generate") return Command::kGenerate;
  if (name == "score") return Command::kScore;
  if (name == "embed") return Command::kEmbed;
  if (name == "serve") return Command::kServe;
  if (name == "complete") return Command::kComplete;
  return name == "tokenize" ? Command::kTokenize : Command::kPlan;
}

bool NamesConfig(const std::string& model) {
  std::error_code ignored;
  return (model.ends_with(".yaml") || model.ends_with(".yml")) &&
         !std::filesystem::is_directory(model, ignored);
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

void CheckTexts(const Arguments& arguments, const Bindings& bound) {
  const bool generate = arguments.command == Command::kGenerate;
  const std::string_view name = generate                               ? "generate"
                                : arguments.command == Command::kScore ? "score"
                                                                       : "embed";
  if (arguments.prompt && !arguments.input.empty())
    throw BadInput("generate: --prompt and --input are both given; expected one of them");
  if (!arguments.prompt && arguments.input.empty())
    throw BadInput("{}: no text; expected {}--input FILE.jsonl", name,
                   generate ? "--prompt TEXT or " : "");
  if (arguments.prompt && !bound.output.empty())
    throw BadInput(
        "generate: --output goes with --input; a --prompt is answered on standard output");
  if (arguments.restart == Restart::kFromTheBeginning && (arguments.prompt || bound.output.empty()))
    throw BadInput(
        "{}: --restart goes with --input and --output: nothing else can be left unfinished", name);
  if (arguments.options.parallel.dp > 1 && arguments.prompt)
    throw BadInput("{}: --dp is {}; expected 1: groups share the lines of --input only", name,
                   arguments.options.parallel.dp);
  if (arguments.options.input.unknown_fields == UnknownFields::kPassThrough &&
      arguments.command == Command::kEmbed && arguments.output.ends_with(".npy"))
    throw BadInput(
        "embed: a .npy file has no room for fields that are passed through; write JSON lines");
  if (arguments.options.model.path.empty())
    throw BadInput("{}: no model; expected --model MODEL, or model.path in a configuration", name);
}

void CheckServe(const Arguments& arguments) {
  if (arguments.options.model.path.empty())
    throw BadInput("serve: no model; expected --model MODEL, or model.path in a configuration");
}

void CheckComplete(const Arguments& arguments) {
  const bool has_model = !arguments.options.model.path.empty();
  if (arguments.url.empty() && !has_model)
    throw BadInput("complete: no model; expected --model MODEL, or --url http://HOST:PORT");
  if (!arguments.url.empty() && has_model)
    throw BadInput("complete: --url {} and the model {} are both given; expected one of them",
                   arguments.url, arguments.options.model.path);
}

void Check(const Arguments& arguments, const Bindings& bound) {
  switch (arguments.command) {
    case Command::kGenerate:
    case Command::kScore:
    case Command::kEmbed: return CheckTexts(arguments, bound);
    case Command::kServe: return CheckServe(arguments);
    case Command::kComplete: return CheckComplete(arguments);
    case Command::kTokenize:
      if (arguments.options.model.tokenizer.empty())
        throw BadInput("tokenize: no tokenizer; expected --tokenizer PATH");
      return;
    case Command::kBench:
      if (arguments.bench.kind == BenchKind::kComm) return;
      [[fallthrough]];
    case Command::kPlan:
      if (arguments.options.model.path.empty() && arguments.config_file.empty())
        throw BadInput("{}: no model; expected --model MODEL or --config FILE.yaml",
                       arguments.command == Command::kPlan ? "plan" : "bench");
  }
}

// Other names of it: renaming a file over /dev/stdout would take that away.
bool IsStandard(const std::string& path, std::string_view name, int descriptor) {
  return path == fmt::format("/dev/{}", name) || path == fmt::format("/dev/fd/{}", descriptor) ||
         path == fmt::format("/proc/self/fd/{}", descriptor);
}

CommandLine Resolve(const std::string& name, const Bindings& bound) {
  Arguments arguments;
  arguments.command = CommandOf(name);
  FillOptions(bound, arguments);
  arguments.url = bound.url;
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
  if (bound.random_weights) arguments.weights = WeightChoice::kRandom;
  Check(arguments, bound);
  return {std::move(arguments), ""};
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
  const auto commands = app.get_subcommands();
  if (commands.empty())
    throw BadInput(
        "no command; expected generate, score, embed, serve, complete, tokenize, plan or bench; "
        "see lockstep --help");
  if (commands.size() > 1)
    throw BadInput("{} and {} are two commands; give one", commands[0]->get_name(),
                   commands[1]->get_name());
  RefuseRepeated(*commands[0]);
  return Resolve(commands[0]->get_name(), all.at(commands[0]->get_name()));
}

}  // namespace lockstep
