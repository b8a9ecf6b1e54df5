#include "launcher/flags/command_checks.h"

#include <fmt/format.h>

#include "core/error.h"

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

void CheckBenchServe(const Arguments& arguments) {
  CheckTrust(arguments);
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
}

void CheckComplete(const Arguments& arguments) {
  CheckTrust(arguments);
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
