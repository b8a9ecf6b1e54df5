#pragma once

#include <optional>
#include <string>

#include "runtime/options/commands/bench_options.h"
#include "runtime/options/commands/evaluation_options.h"
#include "runtime/options/commands/load_options.h"
#include "runtime/options/commands/scaling_options.h"
#include "runtime/options/options.h"

namespace lockstep {

enum class Command {
  kGenerate,
  kScore,
  kEmbed,
  kTokenize,
  kPlan,
  kBench,
  kBenchScaling,
  kBenchServe,
  kBenchCompare,
  kEval,
  kServe,
  kComplete,
  kEnvironment,
  kTrace
};
enum class Verbosity { kQuiet, kNormal, kVerbose };
enum class ReportFormat { kTable, kJson };
// Whether \n, \t and the like in a prompt stand for characters.
enum class PromptEscapes { kAsWritten, kProcessed };
enum class TokenizeDirection { kEncode, kDecode };
// Whether a batch job takes up what an earlier run of it has left.
enum class Restart { kGoOn, kFromTheBeginning };
// What becomes of a batch job whose ranks do not live to its end.
enum class LostRanks { kEnd, kStartAgain };
enum class ModelSource { kConfig, kFlag };  // who named options.model.path
enum class WeightChoice { kCheckpoint, kRandom, kRandomIfMissing };

// What the program was asked to do: the command line, with the configuration it names read in.
struct Arguments {
  Command command = Command::kGenerate;
  Options options;
  std::string config_file;  // of --config; empty: none
  ModelSource model_source = ModelSource::kConfig;
  Verbosity verbosity = Verbosity::kNormal;

  std::optional<std::string> prompt;  // generate
  std::string prompt_file;            // generate: in its place; "-": standard input; empty: none
  PromptEscapes escapes = PromptEscapes::kAsWritten;  // of the prompt, wherever it comes from

  // Whether generate continues one text, which is not in a file of lines.
  bool has_prompt() const { return prompt || !prompt_file.empty(); }

  std::string url;                     // complete, bench serve: of a server; empty: a model
  std::string tls_ca;                  // the same: whom to trust; empty: the system's authorities
  std::optional<std::string> api_key;  // serve, complete, bench serve: of --api-key
  std::string input;                   // generate, score, embed: a file, or "-" for standard input
  std::string output = "-";            // a file, or "-" for standard output
  std::string trace_file;              // of --trace, to be written; trace: to be read; empty: none
  Restart restart = Restart::kGoOn;    // generate --input, score, embed, eval
  LostRanks lost_ranks = LostRanks::kEnd;  // the same
  TokenizeDirection direction = TokenizeDirection::kEncode;
  ReportFormat report_format = ReportFormat::kTable;  // plan, bench, env, trace
  WeightChoice weights = WeightChoice::kCheckpoint;
  BenchOptions bench;
  ScalingOptions scaling;  // bench scaling
  LoadOptions load;        // bench serve
  CompareOptions compare;  // bench compare
  EvaluationOptions evaluation;
};

}  // namespace lockstep
