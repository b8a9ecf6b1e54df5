#include "launcher/flags/commands/command_flags.h"

#include <utility>

#include "launcher/flags/help_texts.h"

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

void AddLength(CLI::App& command, Bindings& bound) {
  bound.flags.Add(command, kSamplingGroup, {{"--max-new-tokens", "sampling.max_new_tokens", "N"}});
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
  AddLength(command, bound);
  AddConfigFlags(command, bound);
}

void AddServerFlags(CLI::App& command, Bindings& bound) {
  command.add_option("--url", bound.url, "of a server, in place of a model of its own")
      ->type_name("http[s]://HOST:PORT")
      ->take_last()
      ->group(kServerGroup);
  command
      .add_option("--tls-ca", bound.tls_ca,
                  "certificates in PEM to trust in place of this system's, of https://")
      ->type_name("FILE")
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
  AddLength(command, bound);
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
  Bindings& bound = AddCommand(
      app, all, "plan",
      {"Shows what each rank would hold, and how fast a machine would be.", kPlanFooter});
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

// What bench decode and bench scaling measure: no texts, so that there is no tokenizer.
void AddMeasuredModel(CLI::App& command, Bindings& bound) {
  bound.flags.Add(
      command, kModelGroup,
      {{"--model", "model.path", "MODEL"}, {"--dtype", "model.dtype", "fp32|bf16|fp16|int8|int4"}});
  AddChoiceFlags(command, bound);
  AddRandomWeights(command, bound);
  AddPlaceFlags(command, bound);
}

void AddBench(CLI::App& app, AllBindings& all) {
  Bindings& bound = AddCommand(app, all, "bench",
                               {"Measures speed beside what the machine can do.", kBenchFooter});
  CLI::App& command = *app.get_subcommand("bench");
  bound.bench.Add(command, kBenchGroup);
  AddMeasuredModel(command, bound);
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
  AddMeasuredModel(command, bound);
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

}  // namespace

void AddCommands(CLI::App& app, AllBindings& all) {
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
}

}  // namespace lockstep
