#include <signal.h>

#include <exception>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/logging/structured_log.h"
#include "launcher/commands/commands.h"
#include "launcher/flags/command_line.h"
#include "runtime/spawn/elastic_world.h"
#include "runtime/spawn/spawn.h"
#include "runtime/standard_streams.h"
#include "runtime/tracing/trace_summary.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

void SetLog(Verbosity verbosity) {
  switch (verbosity) {
    case Verbosity::kQuiet: return SetLogLevel(LogLevel::kError);
    case Verbosity::kNormal: return SetLogLevel(LogLevel::kInfo);
    case Verbosity::kVerbose: return SetLogLevel(LogLevel::kDebug);
  }
}

int PrintTrace(const Arguments& arguments) {
  const TraceSummary summary = ReadTrace(arguments.trace_file);
  const bool json = arguments.report_format == ReportFormat::kJson;
  WriteStandardOutput(json ? TraceSummaryJson(summary)
                           : TraceSummaryText(summary, arguments.trace_file));
  return static_cast<int>(ExitCode::kOk);
}

int Dispatch(const CommandLine& line, const std::vector<std::string>& given) {
  const Arguments& arguments = *line.run;
  switch (arguments.command) {
    case Command::kGenerate: return RunGenerate(arguments, given);
    case Command::kScore: return RunScore(arguments, given);
    case Command::kEmbed: return RunEmbed(arguments, given);
    case Command::kTokenize: return RunTokenize(arguments);
    case Command::kEnvironment: return RunEnvironment(arguments);
    case Command::kPlan: return RunPlan(arguments, line.plan);
    case Command::kBench: return RunBench(arguments, given);
    case Command::kBenchScaling: return RunBenchScaling(arguments, given);
    case Command::kBenchServe: return RunBenchServe(arguments, given);
    case Command::kBenchCompare: return RunBenchCompare(arguments);
    case Command::kEval: return RunEval(arguments, given);
    case Command::kServe: return RunServe(arguments, given);
    case Command::kComplete: return RunComplete(arguments, given);
    case Command::kTrace: return PrintTrace(arguments);
  }
  return static_cast<int>(ExitCode::kInternal);
}

// Among ranks a bad command line is bad on all of them, and is said once.
CommandLine ParseTogether(const std::vector<std::string>& given) {
  try {
    return ParseCommandLine(given);
  } catch (const Error&) {
    if (!InsideWorld()) throw;
    const std::exception_ptr failure = std::current_exception();
    std::exit(RunWorld({}, [&](Communicator& comm) {
      Agree(comm, "reading the command line", [&] { std::rethrow_exception(failure); });
      return 0;
    }));
  }
}

// What --elastic has made of the ranks that the command line asks for.
void Take(const ElasticStart& start, Arguments& arguments) {
  arguments.options.parallel.tp = start.layout.tensor;
  arguments.options.parallel.pp = start.layout.pipeline;
  arguments.options.parallel.dp = start.layout.copies;
  // What an earlier world has done is not thrown away.
  if (start.earlier_worlds > 0) arguments.restart = Restart::kGoOn;
}

int Run(const std::vector<std::string>& given) {
  CommandLine line = ParseTogether(given);
  if (!line.run) {
    WriteStandardOutput(line.text);
    return 0;
  }
  if (const auto start = ElasticStart::OfThisWorld()) Take(*start, *line.run);
  SetLog(line.run->verbosity);
  if (line.run->command == Command::kServe) SetLogFormat(line.run->options.server.log_format);
  return Dispatch(line, given);
}

int Fail(ExitCode code, const std::string& message) {
  LogError("{}", message);
  return static_cast<int>(code);
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  using namespace lockstep;
  OccupyStandardStreams();
  // A file that may not grow (ulimit -f) is then an error of the write, like a full disk.
  ::signal(SIGXFSZ, SIG_IGN);
  try {
    return Run(RankArguments(argc, argv));
  } catch (...) {
    const Error error = CurrentError();
    return Fail(error.code(), error.what());
  }
}
