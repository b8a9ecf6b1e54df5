#include "launcher/flags/commands/command_flags.h"

#include <fmt/format.h>

#include <utility>

#include "launcher/flags/commands/tool_flags.h"
#include "launcher/flags/help_texts.h"
#include "runtime/options/option_table.h"

namespace lockstep {
namespace {

constexpr const char* kModelGroup = "Model";
constexpr const char* kRunGroup = "Execution";
constexpr const char* kSamplingGroup = "Sampling";
constexpr const char* kEmbedGroup = "Hidden states";
constexpr const char* kConfigGroup = "Configuration";
constexpr const char* kBenchGroup = "What to measure";
constexpr const char* kEvalGroup = "What to evaluate";
constexpr const char* kServerGroup = "Server";
constexpr const char* kPlanGroup = "What to predict";
// Requests are OpenAI's, whose default it is.
constexpr const char* kTemperatureOfRequests = "the model's, or 1";

void AddConfigFlags(CLI::App& command, Bindings& bound) {
  command
      .add_option(
          "--config", bound.config,
          "a YAML configuration, or the name of one that comes with lockstep; flags override it")
      ->type_name("FILE.yaml")
      ->take_last()
      ->group(kConfigGroup);
  command
      .add_option("--set", bound.settings,
                  "sets one key of the configuration (see --print-config); may be repeated")
      ->type_name(kSettingValue)
      ->allow_extra_args(false)
      ->group(kConfigGroup);
  command
      .add_flag("--print-config", bound.print_config,
                "prints the resulting configuration with all its keys, and exits")
      ->group(kConfigGroup);
}

void AddRandomWeights(CLI::App& command, Bindings& bound) {
  command
      .add_flag("--random-weights", bound.random_weights,
                "uses random weights of the model's shape: the checkpoint is not read")
      ->group(kModelGroup);
}

void AddPlaceFlags(CLI::App& command, Bindings& bound) {
  bound.flags.Add(command, kRunGroup,
                  {{"--tp", "parallel.tp", "N"},
                   {"--pp", "parallel.pp", "P"},
                   {"--device", "parallel.device", nullptr},
                   {"--threads", "parallel.threads", "N"},
                   {"--backend", "engine.backend", nullptr}});
  command.add_flag("--quiet", bound.quiet, "prints nothing but errors")->group(kRunGroup);
  command.add_flag("--verbose", bound.verbose, "prints what it does")->group(kRunGroup);
}

// What MODEL is, is said once, below the flags.
constexpr Flag kModelFlag{
    "MODEL,--model", "model.path", "MODEL",
    "a folder, org/name[@revision] in the Hugging Face cache, a model that comes "
    "with lockstep, or FILE.yaml"};

void AddRevision(CLI::App& command, Bindings& bound) {
  AddValueFlag(
      command, kModelGroup,
      {"--revision", bound.revision, "REV",
       "the revision of a MODEL in the Hugging Face cache: a branch, tag or commit", "main"});
}

void AddTraceFlag(CLI::App& command, Bindings& bound) {
  AddValueFlag(command, kTextGroup,
               {"--trace", bound.trace_file, "FILE.json",
                "writes what every rank did at the end, for ui.perfetto.dev and lockstep trace"});
}

void AddModelFlags(CLI::App& command, Bindings& bound) {
  bound.flags.Add(command, kModelGroup, {kModelFlag});
  AddRevision(command, bound);
  bound.flags.Add(
      command, kModelGroup,
      {{"--tokenizer", "model.tokenizer", "PATH"}, {"--dtype", "model.dtype", nullptr}});
  AddRandomWeights(command, bound);
}

void AddLineFiles(CLI::App& command, Bindings& bound, const char* usual_input) {
  AddValueFlag(
      command, kTextGroup,
      {"--input", bound.input, "FILE", "reads JSON lines; - is standard input", usual_input});
  AddValueFlag(
      command, kTextGroup,
      {"--output", bound.output, "FILE", "where JSON lines are written to", "standard output"});
}

void AddRunFlags(CLI::App& command, Bindings& bound) {
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  AddLineFiles(command, bound, "");
  AddTraceFlag(command, bound);
}

void AddPassThrough(CLI::App& command, Bindings& bound) {
  bound.flags.AddSwitch(
      command, kTextGroup,
      {"--pass-through", "input.unknown_fields", "pass_through",
       "copies unknown fields of a line to its answer, in place of refusing them"});
}

void AddRestart(CLI::App& command, Bindings& bound) {
  command
      .add_flag("--restart", bound.restart,
                "starts over, whatever an earlier run has left or finished")
      ->group(kTextGroup);
  command
      .add_flag("--elastic", bound.elastic,
                "when a rank dies, starts the ranks again, and fewer where that fails, too")
      ->group(kRunGroup);
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

void AddLength(CLI::App& command, Bindings& bound) {
  bound.flags.Add(command, kSamplingGroup, {{"--max-new-tokens", "sampling.max_new_tokens", "N"}});
}

// What holds without a flag, where a command has another default than the key.
void SetUsual(CLI::App& command, const std::string& flag, const std::string& usual) {
  command.get_option(flag)->default_str(usual);
}

void AddSamplingFlags(CLI::App& command, Bindings& bound) {
  AddChoiceFlags(command, bound);
  AddLength(command, bound);
  bound.flags.Add(command, kSamplingGroup,
                  {{"--min-tokens", "sampling.min_tokens", "N"},
                   {"--n", "sampling.n", "N"},
                   {"--best-of", "sampling.best_of", "N"},
                   {"--num-beams", "sampling.num_beams", "N"},
                   {"--length-penalty", "sampling.length_penalty", "R"},
                   {"--early-stopping", "sampling.early_stopping", nullptr},
                   {"--logprobs", "sampling.logprobs", "K"}});
  bound.flags.AddStop(command, kSamplingGroup);
  bound.flags.AddSwitch(command, kSamplingGroup, {"--ignore-eos", "sampling.ignore_eos", "true"});
  bound.flags.Add(command, kSamplingGroup,
                  {{"--generation-config", "model.generation_config", "none|auto|PATH"}});
}

// help: what the groups do in this command.
void AddGroups(CLI::App& command, Bindings& bound, const char* help) {
  bound.flags.Add(command, kRunGroup, {{"--dp", "parallel.dp", "D", help}});
}

constexpr const char* kGroupsOfLines =
    "groups of --tp ranks, each with the whole model, that share the lines of --input";

void AddGenerate(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(app, all, "generate", {"Continues texts.", kGenerateFooter});
  CLI::App& command = *app.get_subcommand("generate");
  AddRunFlags(command, bound);
  AddGroups(command, bound, kGroupsOfLines);
  AddValueFlag(command, kTextGroup,
               {"--prompt", bound.prompt, "TEXT", "continues this text; - is standard input"});
  bound.prompt_option = command.get_option("--prompt");
  AddValueFlag(command, kTextGroup,
               {"--prompt-file", bound.prompt_file, "FILE",
                "continues the text of this file, without its last line end"});
  command
      .add_flag("--escape", bound.escape,
                "\\n, \\t, \\\\ and the like in the prompt stand for characters")
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
  AddGroups(command, bound, kGroupsOfLines);
  AddPassThrough(command, bound);
  AddRestart(command, bound);
  AddConfigFlags(command, bound);
}

void AddEmbed(CLI::App& app, AllBindings& all) {
  Bindings& bound =
      AddCommand(app, all, "embed", {"Turns texts into vectors (hidden states).", kEmbedFooter});
  CLI::App& command = *app.get_subcommand("embed");
  AddRunFlags(command, bound);
  AddGroups(command, bound, kGroupsOfLines);
  AddPassThrough(command, bound);
  bound.flags.Add(command, kEmbedGroup,
                  {{"--layer", "embed.layer", "K"}, {"--pooling", "embed.pooling", nullptr}});
  AddRestart(command, bound);
  AddConfigFlags(command, bound);
}

void AddServe(CLI::App& app, AllBindings& all) {
  Bindings& bound =
      AddCommand(app, all, "serve", {"Serves a model over HTTP with OpenAI's API.", kServeFooter});
  CLI::App& command = *app.get_subcommand("serve");
  bound.flags.Add(
      command, kServerGroup,
      {{"--host", "server.host", "ADDRESS"},
       {"--port", "server.port", "N"},
       {"--served-model-name", "server.model_name", "NAME", nullptr, "MODEL as it is given"},
       {"--api-key-file", "server.api_key_file", "FILE", nullptr,
        "the variable LOCKSTEP_API_KEY, else anybody may ask"},
       {"--trusted-proxies", "server.trusted_proxies", "N"},
       {"--chat-template", "server.chat_template", "FILE"},
       {"--max-queue", "server.max_queue", "N"},
       {"--log-format", "server.log_format", nullptr},
       {"--tls-cert", "server.tls_cert", "FILE"},
       {"--tls-key", "server.tls_key", "FILE"}});
  AddApiKey(command, kServerGroup, bound.api_key);
  bound.flags.AddSwitch(command, kServerGroup, {"--log-requests", "server.log_requests", "true"});
  bound.flags.AddSwitch(command, kServerGroup, {"--allow-load", "server.allow_load", "true"});
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  AddGroups(command, bound,
            "groups of --tp ranks, each with the whole model, that share the requests");
  AddChoiceFlags(command, bound);
  AddLength(command, bound);
  SetUsual(command, "--max-new-tokens", "16, as of OpenAI");
  SetUsual(command, "--seed", "each request its own");
  SetUsual(command, "--temperature", kTemperatureOfRequests);
  AddTraceFlag(command, bound);
  AddConfigFlags(command, bound);
}

void AddServerFlags(CLI::App& command, Bindings& bound) {
  AddValueFlag(
      command, kServerGroup,
      {"--url", bound.url, "http[s]://HOST:PORT", "asks this server, in place of loading a model"});
  AddValueFlag(command, kServerGroup,
               {"--tls-ca", bound.tls_ca, "FILE", "certificates in PEM to trust with https://",
                "those of this system"});
  bound.flags.Add(command, kServerGroup,
                  {{"--api-key-file", "server.api_key_file", "FILE",
                    "a file whose first line is the API key to send",
                    "the variable LOCKSTEP_API_KEY, else no key"}});
  AddApiKey(command, kServerGroup, bound.api_key);
}

void AddComplete(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(app, all, "complete",
                               {"Continues what you type, interactively.", kCompleteFooter});
  CLI::App& command = *app.get_subcommand("complete");
  AddServerFlags(command, bound);
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  AddChoiceFlags(command, bound);
  AddLength(command, bound);
  SetUsual(command, "--max-new-tokens", "128");
  SetUsual(command, "--seed", "each text its own");
  SetUsual(command, "--temperature", kTemperatureOfRequests);
  AddConfigFlags(command, bound);
}

void AddTokenize(CLI::App& app, AllBindings& all) {
  Bindings& bound =
      AddCommand(app, all, "tokenize", {"Turns text into token ids, and back.", kTokenizeFooter});
  CLI::App& command = *app.get_subcommand("tokenize");
  bound.flags.Add(command, kModelGroup,
                  {{"PATH,--tokenizer", "model.tokenizer", "PATH",
                    "a folder with a tokenizer, a tokenizer.json, or a model's name", ""}});
  command.add_flag("--decode", bound.decode, "turns token ids into text")->group(kTextGroup);
  AddLineFiles(command, bound, "standard input");
}

void AddPlan(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(
      app, all, "plan",
      {"Shows how a model is divided over ranks, and how fast a machine would be.", kPlanFooter});
  CLI::App& command = *app.get_subcommand("plan");
  bound.flags.Add(command, kModelGroup, {kModelFlag});
  AddRevision(command, bound);
  bound.flags.Add(command, kModelGroup, {{"--dtype", "model.dtype", nullptr}});
  bound.flags.Add(command, kRunGroup, {{"--tp", "parallel.tp", "N"}, {"--pp", "parallel.pp", "P"}});
  bound.flags.Add(command, kRunGroup, {{"--threads", "parallel.threads", "N"}});
  AddGroups(command, bound, "copies of the model, of --tp times --pp ranks each");
  bound.plan.Add(command, kPlanGroup);
  command.add_flag("--json", bound.json, kJsonHelp)->group(kTextGroup);
  AddConfigFlags(command, bound);
}

// What bench decode and bench scaling measure: no texts, so that there is no tokenizer.
void AddMeasuredModel(CLI::App& command, Bindings& bound) {
  bound.flags.Add(command, kModelGroup, {kModelFlag});
  AddRevision(command, bound);
  bound.flags.Add(command, kModelGroup, {{"--dtype", "model.dtype", nullptr}});
  AddChoiceFlags(command, bound);
  bound.flags.SetUsualOfKeys(command, kSamplingGroup, "");
  AddRandomWeights(command, bound);
  AddPlaceFlags(command, bound);
  AddTraceFlag(command, bound);
}

void AddBench(CLI::App& app, AllBindings& all) {
  AddCommand(app, all, "bench",
             {"Measures speed, and compares it with what the machine can do.", kBenchFooter});
  CLI::App& bench = *app.get_subcommand("bench");
  for (const BenchCommand& one : BenchCommands()) {
    const std::string name(Name(one.kind));
    Bindings& bound = AddCommand(bench, all, name, {one.summary, one.footer});
    CLI::App& command = *bench.get_subcommand(name);
    bound.bench.Add(command, kBenchGroup, one.kind);
    if (one.kind == BenchKind::kComm) {
      AddPlaceFlags(command, bound);
    } else {
      AddMeasuredModel(command, bound);
      command.footer(fmt::format("{}\n\n{}", one.footer, kBenchWeightsNote));
    }
    command.add_flag("--json", bound.json, kJsonHelp)->group(kTextGroup);
    AddConfigFlags(command, bound);
  }
}

void AddBenchScaling(CLI::App& app, AllBindings& all) {
  CLI::App& bench = *app.get_subcommand("bench");
  Bindings& bound = AddCommand(
      bench, all, "scaling",
      {"Measures how speed grows with ranks, batches and lengths.", kBenchScalingFooter});
  CLI::App& command = *bench.get_subcommand("scaling");
  bound.scaling.Add(command, kBenchGroup);
  AddMeasuredModel(command, bound);
  AddConfigFlags(command, bound);
}

void AddBenchServe(CLI::App& app, AllBindings& all) {
  CLI::App& bench = *app.get_subcommand("bench");
  Bindings& bound = AddCommand(
      bench, all, "serve",
      {"Sends load to a server or an engine and measures how it responds.", kBenchServeFooter});
  CLI::App& command = *bench.get_subcommand("serve");
  AddServerFlags(command, bound);
  bound.load.Add(command);
  AddModelFlags(command, bound);
  AddPlaceFlags(command, bound);
  AddChoiceFlags(command, bound);
  bound.flags.SetUsualOfKeys(command, kSamplingGroup, "; of a server, its own");
  command.get_option("--seed")
      ->description("the load's, and that of sampling; the same seed, the same load")
      ->default_str(fmt::format("{}", LoadOptions{}.seed));
  AddTraceFlag(command, bound);
  AddConfigFlags(command, bound);
}

void AddBenchCompare(CLI::App& app, AllBindings& all) {
  CLI::App& bench = *app.get_subcommand("bench");
  Bindings& bound =
      AddCommand(bench, all, "compare",
                 {"Compares two results: what became faster or slower beyond the noise.",
                  kBenchCompareFooter});
  bound.compare.Add(*bench.get_subcommand("compare"));
}

void AddEval(CLI::App& app, AllBindings& all) {
  Bindings& bound =
      AddCommand(app, all, "eval", {"Scores models as lm-evaluation-harness does.", kEvalFooter});
  CLI::App& command = *app.get_subcommand("eval");
  bound.eval.Add(command, kEvalGroup);
  bound.flags.Add(command, kModelGroup,
                  {{"MODEL,--model", "model.path", "MODEL[,MODEL,...]",
                    "one model or several: folders, or org/name[@revision] in the Hugging Face "
                    "cache; a FILE.yaml stands alone"}});
  AddRevision(command, bound);
  bound.flags.Add(
      command, kModelGroup,
      {{"--tokenizer", "model.tokenizer", "PATH"}, {"--dtype", "model.dtype", nullptr}});
  AddRandomWeights(command, bound);
  AddPlaceFlags(command, bound);
  AddGroups(command, bound, "groups of ranks, each with the whole model, that share the questions");
  AddValueFlag(command, kTextGroup, {"--output", bound.output, "FILE", "results, as JSON"});
  AddRestart(command, bound);
  AddTraceFlag(command, bound);
  AddConfigFlags(command, bound);
}

}  // namespace

Bindings& AddCommand(CLI::App& app, AllBindings& all, const std::string& name,
                     std::pair<const char*, const char*> help_and_footer) {
  CLI::App& command = *app.add_subcommand(name, help_and_footer.first)->group("Commands");
  command.footer(help_and_footer.second);
  command.allow_extras();
  return all[FullName(command)];
}

void AddCommands(CLI::App& app, AllBindings& all) {
  for (const auto add :
       {AddGenerate, AddScore, AddEmbed, AddServe, AddComplete, AddTokenize, AddPlan, AddBench,
        AddBenchScaling, AddBenchServe, AddBenchCompare, AddEval, AddTrace, AddTools})
    add(app, all);
}

}  // namespace lockstep
