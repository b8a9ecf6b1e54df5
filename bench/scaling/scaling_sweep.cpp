#include "bench/scaling/scaling_sweep.h"

#include <fmt/ranges.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <set>
#include <system_error>

#include "bench/bench_cases.h"
#include "bench/bench_report.h"
#include "bench/result_about.h"
#include "bench/scaling/scaling_files.h"
#include "bench/scaling/scaling_json.h"
#include "bench/scaling/scaling_turn.h"
#include "comm/world.h"
#include "core/control_groups.h"
#include "core/error.h"
#include "core/log.h"
#include "core/threads/affinity.h"
#include "partition/plan/shard_plan.h"
#include "runtime/load_model.h"
#include "runtime/progress/terminal.h"
#include "runtime/spawn/spawn.h"
#include "runtime/tracing/traced_run.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

// A file without a name, for what a world says.
class Scratch {
 public:
  Scratch() : file_(::memfd_create("lockstep-scaling", MFD_CLOEXEC)) {
    if (file_ < 0)
      throw EnvironmentError("bench scaling: no memory for results: {}",
                             std::generic_category().message(errno));
  }
  ~Scratch() { ::close(file_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  int file() const { return file_; }

  std::string Text() const {
    std::string text(static_cast<std::size_t>(::lseek(file_, 0, SEEK_END)), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t bytes =
          ::pread(file_, text.data() + done, text.size() - done, static_cast<off_t>(done));
      if (bytes <= 0)
        throw EnvironmentError("bench scaling: results cannot be read: {}",
                               std::generic_category().message(errno));
      done += static_cast<std::size_t>(bytes);
    }
    return text;
  }

 private:
  int file_;
};

std::int64_t CoresHere() {
  auto cores = static_cast<double>(AllowedCores().size());
  for (const GroupLimit& limit : GroupCpuLimits()) cores = std::min(cores, limit.amount);
  return std::max<std::int64_t>(static_cast<std::int64_t>(std::floor(cores + 1e-6)), 1);
}

// All worlds of a sweep once are a round.
class Sweep {
 public:
  Sweep(const Arguments& arguments, std::span<const std::string> given)
      : arguments_(arguments), given_(given) {
    const ParallelOptions& parallel = arguments.options.parallel;
    ScalingOptions& options = result_.options;
    options = arguments.scaling;
    const std::int64_t cores = CoresHere();
    if (options.stages.empty()) options.stages = {parallel.pp};
    if (options.ranks.empty() && parallel.tp)
      for (const std::int64_t stages : options.stages)
        options.ranks.push_back(*parallel.tp * stages);
    // Of GPUs as few as there can be.
    if (options.ranks.empty())
      options.ranks =
          parallel.device == DeviceChoice::kCpu ? DefaultRankCounts(cores) : options.stages;
    if (options.dtypes.empty()) options.dtypes = {OpenModel(arguments).format};
    threads_ = parallel.threads > 0 ? parallel.threads : ThreadsOfSweep(options.ranks, cores);
    worlds_ = WorldsOfSweep(options);
  }

  int Run() {
    Check();
    InstallInterruptHandlers();
    AnnounceInterrupts();
    FinishStepsOnInterrupt();
    TellRanksOfTerminal();
    const int code = MeasureRounds();
    std::ranges::sort(result_.points, {}, &ScalingPoint::key);
    auto about = AboutResult(given_, "");
    if (!result_.about.empty()) about["device"] = result_.about["device"];
    result_.about = std::move(about);
    WriteScaling(result_);
    return result_.is_interrupted ? static_cast<int>(ExitCode::kInterrupted) : code;
  }

 private:
  // Everything that can be wrong with the input, before a world is started.
  void Check() const {
    if (!BuiltWithMpi())
      throw EnvironmentError(
          "bench scaling: this build has no MPI, which starts the ranks; build with "
          "-DLOCKSTEP_MPI=ON, or measure one rank with bench decode");
    CheckScalingFiles(result_.options);
    const Options& asked = arguments_.options;
    CheckDevice(DeviceRequestOf(asked, asked.model.dtype.format, 1));
    if (!arguments_.trace_file.empty()) CheckTraceFile(arguments_.trace_file);
    const ModelFiles model = OpenModel(arguments_);
    for (const ScalingWorld& world : worlds_) {
      const ShardPlan plan(model.spec, static_cast<int>(world.ranks / world.stages),
                           static_cast<int>(world.stages));
      std::vector<BenchCase> cases;
      for (const ScalingKey& key : ScalingPointsOf(result_.options, world))
        cases.push_back({key.sequences, key.prompt_tokens, key.new_tokens});
      CheckCases(cases, arguments_.options.engine.step_tokens(false), model.spec);
    }
  }

  int MeasureRounds() {
    const std::int64_t rounds = result_.options.rounds;
    for (std::int64_t round = 1; round <= rounds; ++round) {
      const std::string name = fmt::format("round {} of {}", round, rounds);
      LogInfo("bench scaling: {}", name);
      const bool traced = round == rounds && !arguments_.trace_file.empty();
      for (const ScalingWorld& world : worlds_) {
        if (InterruptRequested()) result_.is_interrupted = true;
        const std::string trace =
            traced
                ? TraceFileOf(
                      arguments_.trace_file,
                      fmt::format("{}ranks-{}{}", world.ranks,
                                  world.stages == 1 ? "" : fmt::format("{}stages-", world.stages),
                                  world.dtype))
                : "";
        const int code = result_.is_interrupted ? 0 : Measure(world, name, trace);
        if (result_.is_interrupted) return 0;
        if (code == 0) continue;
        LogError(
            "bench scaling: {}, {}: ended with exit code {}; what was measured until then follows",
            name, world.Text(), code);
        return code;
      }
    }
    return 0;
  }

  // One round of a world's points, traced where that has a file. Returns the world's exit code.
  int Measure(const ScalingWorld& world, const std::string& name, const std::string& trace) {
    ::setenv(kScalingTurnVariable, name.c_str(), 1);
    const Scratch output;
    const std::string ranks = fmt::format("{}", world.ranks);
    const std::vector<std::string> arguments =
        WithFlags(given_, {{"--ranks", ranks},
                           {"--tp", fmt::format("{}", world.ranks / world.stages)},
                           {"--pp", fmt::format("{}", world.stages)},
                           {"--stages", ""},
                           {"--threads", fmt::format("{}", threads_)},
                           {"--dtype", world.dtype},
                           {"--dtypes", ""},
                           {"--rounds", "1"},
                           {"--json", "-"},
                           {"--csv", ""},
                           {"--html", ""},
                           {"--trace", trace}});
    const int code =
        SpawnWorld({.ranks = static_cast<int>(world.ranks),
                    .init_deadline_seconds = arguments_.options.comm.init_deadline_seconds,
                    .output = output.file()},
                   arguments);
    ::unsetenv(kScalingTurnVariable);
    if (code == static_cast<int>(ExitCode::kInterrupted)) result_.is_interrupted = true;
    const std::string text = output.Text();
    if (text.empty()) return code;
    ScalingResult turn = ReadScaling(ParseJson(text, "a world's result"), "a world's result");
    if (result_.about.empty()) result_.about = turn.about;
    AddRounds(result_, std::move(turn));
    return code;
  }

  const Arguments& arguments_;
  const std::span<const std::string> given_;
  std::vector<ScalingWorld> worlds_;
  std::int64_t threads_ = 1;
  ScalingResult result_;
};

}  // namespace

std::vector<std::int64_t> DefaultRankCounts(std::int64_t cores) {
  std::vector<std::int64_t> counts;
  for (std::int64_t ranks = 1; ranks <= cores; ranks *= 2) counts.push_back(ranks);
  return counts;
}

std::int64_t ThreadsOfSweep(const std::vector<std::int64_t>& ranks, std::int64_t cores) {
  std::int64_t largest = 0;
  for (const std::int64_t count : ranks)
    if (count <= cores) largest = std::max(largest, count);
  return largest == 0 ? 1 : std::max<std::int64_t>(cores / largest, 1);
}

std::vector<ScalingWorld> WorldsOfSweep(const ScalingOptions& options) {
  std::vector<ScalingWorld> worlds;
  std::set<std::pair<std::int64_t, std::int64_t>> left_out;
  for (const WeightFormat dtype : options.dtypes)
    for (const std::int64_t stages : options.stages)
      for (const std::int64_t ranks : options.ranks)
        if (ranks % stages == 0)
          worlds.push_back({.ranks = ranks, .stages = stages, .dtype = std::string(Name(dtype))});
        else
          left_out.insert({stages, ranks});
  for (const std::int64_t stages : options.stages)
    if (std::ranges::none_of(options.ranks,
                             [&](std::int64_t ranks) { return ranks % stages == 0; }))
      throw BadInput(
          "bench scaling: {} stages need {} ranks or a multiple of that, and the rank counts are "
          "{}; give others with --ranks",
          stages, stages, fmt::join(options.ranks, ", "));
  for (const auto& [stages, ranks] : left_out)
    LogInfo("bench scaling: {} cannot be cut into {} stages and {} left out",
            Counted(ranks, "rank"), stages, ranks == 1 ? "is" : "are");
  return worlds;
}

std::vector<std::string> WithFlags(std::span<const std::string> arguments,
                                   const FlagValues& flags) {
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const auto is = [&](const auto& flag) {
      return word == flag.first || word.starts_with(flag.first + "=");
    };
    const auto found = std::ranges::find_if(flags, is);
    if (found == flags.end())
      changed.push_back(word);
    else if (word == found->first)
      ++i;  // its value, too
  }
  for (const auto& [flag, value] : flags)
    if (!value.empty()) changed.insert(changed.end(), {flag, value});
  return changed;
}

int RunScalingBench(const Arguments& arguments, std::span<const std::string> arguments_given) {
  if (InsideWorld()) return RunScalingTurn(arguments, arguments_given);
  return Sweep(arguments, arguments_given).Run();
}

}  // namespace lockstep
