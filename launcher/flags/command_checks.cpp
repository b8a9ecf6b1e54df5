#include "launcher/flags/command_checks.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/files/output_target.h"

namespace lockstep {
namespace {

// Only what stands in files can go on where it was.
void CheckElastic(const Arguments& arguments, std::string_view name, const std::string& output,
                  bool has_input_file) {
  if (arguments.lost_ranks != LostRanks::kStartAgain) return;
  if (output.empty() || output == "-" || !has_input_file)
    throw BadInput("{}: --elastic needs files for {}--output: only they can be resumed", name,
                   name == "eval" ? "" : "--input and ");
}

// The flag that states this key; empty where none does.
std::string FlagOf(const Options& options, std::string_view key) {
  const auto stated = options.stated.find(key);
  const bool by_flag = stated != options.stated.end() && stated->second.starts_with("--");
  return by_flag ? stated->second : "";
}

void CheckTexts(const Arguments& arguments, const std::string& output_given) {
  const bool generate = arguments.command == Command::kGenerate;
  const std::string_view name = generate                               ? "generate"
                                : arguments.command == Command::kScore ? "score"
                                                                       : "embed";
  const bool prompt = arguments.has_prompt();
  const std::string_view flag =
      arguments.prompt_file.empty() || arguments.prompt_file == "-" ? "--prompt" : "--prompt-file";
  if (arguments.prompt && !arguments.prompt_file.empty())
    throw BadInput("generate: --prompt and --prompt-file are both given; expected one of them");
  if (prompt && !arguments.input.empty())
    throw BadInput("generate: {} and --input are both given; expected one of them", flag);
  if (!prompt && arguments.escapes == PromptEscapes::kProcessed)
    throw BadInput("generate: --escape goes with --prompt or --prompt-file");
  if (!prompt && arguments.input.empty())
    throw BadInput("{}: no text; expected {}--input FILE.jsonl", name,
                   generate ? "--prompt TEXT or " : "");
  if (prompt && !output_given.empty())
    throw BadInput(
        "generate: --output goes with --input; a --prompt is answered on standard output");
  if (prompt && !FlagOf(arguments.options, "input.unknown_fields").empty())
    throw BadInput("generate: {} goes with --input: a --prompt has no fields",
                   FlagOf(arguments.options, "input.unknown_fields"));
  if (arguments.restart == Restart::kFromTheBeginning && (prompt || output_given.empty()))
    throw BadInput(
        "{}: --restart goes with --input and --output: nothing else can be left unfinished", name);
  CheckElastic(arguments, name, output_given, !prompt && arguments.input != "-");
  if (arguments.options.parallel.dp > 1 && prompt)
    throw BadInput("{}: --dp is {}; expected 1: groups share the lines of --input only", name,
                   arguments.options.parallel.dp);
  if (arguments.command == Command::kEmbed && arguments.output.ends_with(".npz"))
    throw BadInput("embed: --output {}: an array for NumPy is written to a file .npy",
                   arguments.output);
  if (arguments.options.input.unknown_fields == UnknownFields::kPassThrough &&
      arguments.command == Command::kEmbed && arguments.output.ends_with(".npy"))
    throw BadInput(
        "embed: a .npy file has no room for fields that are passed through; write JSON lines");
  if (arguments.options.model.path.empty())
    throw BadInput("{}: no model; expected --model MODEL, or model.path in a configuration", name);
}

void CheckEval(const Arguments& arguments, const std::string& output_given) {
  if (arguments.options.model.path.empty())
    throw BadInput("eval: no model; expected --model MODEL, or model.path in a configuration");
  if (arguments.restart == Restart::kFromTheBeginning && output_given.empty())
    throw BadInput("eval: --restart goes with --output: nothing else can be left unfinished");
  CheckElastic(arguments, "eval", output_given, true);
}

void CheckServe(const Arguments& arguments) {
  if (arguments.options.model.path.empty())
    throw BadInput("serve: no model; expected --model MODEL, or model.path in a configuration");
}

void CheckTrust(const Arguments& arguments) {
  if (arguments.url.empty() && !arguments.tls_ca.empty())
    throw BadInput("--tls-ca {}: there is no server to trust; expected --url https://HOST:PORT",
                   arguments.tls_ca);
}

// With --url ranks are the server's. What a configuration says of them may be for other commands.
void CheckNothingOfRanks(const Arguments& arguments, std::string_view name) {
  if (arguments.url.empty()) return;
  std::string flag = arguments.weights == WeightChoice::kRandom ? "--random-weights" : "";
  for (const auto& [key, origin] : arguments.options.stated) {
    const bool of_ranks = key.starts_with("parallel.") || key.starts_with("engine.") ||
                          (key.starts_with("model.") && key != "model.path");
    if (of_ranks && flag.empty()) flag = FlagOf(arguments.options, key);
  }
  if (!flag.empty())
    throw BadInput("{}: {} with --url: the ranks are the server's; give it to lockstep serve", name,
                   flag);
}

void CheckBenchServe(const Arguments& arguments) {
  CheckTrust(arguments);
  CheckNothingOfRanks(arguments, "bench serve");
  if (arguments.url.empty() && arguments.options.model.path.empty() &&
      arguments.config_file.empty())
    throw BadInput(
        "bench serve: nobody to ask; expected --url http://HOST:PORT of a server, or --model MODEL "
        "for an engine in this process");
}

// Where all ranks take part in each measurement.
void CheckNoStages(const Arguments& arguments, const char* command) {
  if (arguments.options.parallel.pp > 1)
    throw BadInput("{}: --pp is {}; expected 1: it measures ranks that divide every block", command,
                   arguments.options.parallel.pp);
}

void CheckBenchScaling(const Arguments& arguments) {
  if (arguments.options.model.path.empty() && arguments.config_file.empty())
    throw BadInput("bench scaling: no model; expected --model MODEL or --config FILE.yaml");
}

// A trace is written at the end, over whatever is there.
void CheckTraceFile(const Arguments& arguments) {
  const std::string& trace = arguments.trace_file;
  const EvaluationOptions& evaluation = arguments.evaluation;
  for (const std::string& read : {arguments.input, arguments.prompt_file, arguments.config_file,
                                  evaluation.perplexity, arguments.load.replay})
    if (IsSameFile(trace, read))
      throw BadInput(
          "--trace {}: is the input, which the trace would replace; give it another name", trace);
  for (const std::string& written :
       {arguments.output, evaluation.samples, evaluation.html, arguments.load.json_file,
        arguments.load.csv_file, arguments.load.html_file, arguments.scaling.json_file,
        arguments.scaling.csv_file, arguments.scaling.html_file})
    if (IsSameFile(trace, written))
      throw BadInput("--trace {}: results are written to it, too; give the trace another name",
                     trace);
}

void CheckTrace(const Arguments& arguments) {
  const std::string& file = arguments.trace_file;
  if (arguments.command == Command::kTrace) {
    if (file.empty()) throw BadInput("trace: no file; expected one that --trace has written");
    return;
  }
  if (file.empty()) return;
  if (arguments.command == Command::kBenchServe && !arguments.url.empty())
    throw BadInput("bench serve: --trace {} with --url: a trace is of ranks; give it to the server",
                   file);
  CheckTraceFile(arguments);
}

void CheckComplete(const Arguments& arguments) {
  CheckTrust(arguments);
  CheckNothingOfRanks(arguments, "complete");
  const bool has_model = !arguments.options.model.path.empty();
  if (arguments.url.empty() && !has_model)
    throw BadInput("complete: no model; expected --model MODEL, or --url http://HOST:PORT");
  if (!arguments.url.empty() && has_model)
    throw BadInput("complete: --url {} and the model {} are both given; expected one of them",
                   arguments.url, arguments.options.model.path);
}

}  // namespace

void CheckCommand(const Arguments& arguments, const std::string& output_given) {
  CheckTrace(arguments);
  switch (arguments.command) {
    case Command::kGenerate:
    case Command::kScore:
    case Command::kEmbed: return CheckTexts(arguments, output_given);
    case Command::kEval: return CheckEval(arguments, output_given);
    case Command::kServe: return CheckServe(arguments);
    case Command::kComplete: return CheckComplete(arguments);
    case Command::kTokenize:
      if (arguments.options.model.tokenizer.empty())
        throw BadInput("tokenize: no tokenizer; expected --tokenizer PATH, or a model's name");
      return;
    case Command::kBenchServe: return CheckBenchServe(arguments);
    case Command::kBenchCompare:
    case Command::kEnvironment:
    case Command::kTrace: return;
    case Command::kBenchScaling: return CheckBenchScaling(arguments);
    case Command::kBench:
      if (arguments.bench.kind == BenchKind::kComm) return CheckNoStages(arguments, "bench comm");
      [[fallthrough]];
    case Command::kPlan:
      if (arguments.options.model.path.empty() && arguments.config_file.empty())
        throw BadInput("{}: no model; expected --model MODEL or --config FILE.yaml",
                       arguments.command == Command::kPlan
                           ? "plan"
                           : fmt::format("bench {}", Name(arguments.bench.kind)));
  }
}

}  // namespace lockstep
