#include "launcher/flags/command_names.h"

#include <fmt/format.h>

#include "launcher/flags/commands/bench_flags.h"

namespace lockstep {

Command CommandOf(const std::string& name) {
  if (name == "bench compare") return Command::kBenchCompare;
  if (name == "bench scaling") return Command::kBenchScaling;
  if (name == "bench serve") return Command::kBenchServe;
  for (const BenchCommand& one : BenchCommands())
    if (name == fmt::format("bench {}", Name(one.kind))) return Command::kBench;
  if (name == "eval") return Command::kEval;
  if (name == "generate") return Command::kGenerate;
  if (name == "score") return Command::kScore;
  if (name == "embed") return Command::kEmbed;
  if (name == "serve") return Command::kServe;
  if (name == "env") return Command::kEnvironment;
  if (name == "trace") return Command::kTrace;
  if (name == "complete") return Command::kComplete;
  return name == "tokenize" ? Command::kTokenize : Command::kPlan;
}

}  // namespace lockstep
